import { answerInThread } from '../../files/list-reader.ts';
import { blockListReader } from './block-list.ts';

answerInThread(blockListReader);
