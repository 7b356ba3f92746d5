import { answerInThread } from '../../../src/files/list-reader.ts';
import { ukDirectoryReader } from './directory-reader.ts';

answerInThread(ukDirectoryReader);
