import { answerInThread } from '../files/list-reader.ts';
import { trustedListReader } from './snapshot-reader.ts';

answerInThread(trustedListReader);
