import { answerInThread } from '../src/files/list-reader.ts';
import { registryReader } from './registry-reader.ts';

answerInThread(registryReader);
