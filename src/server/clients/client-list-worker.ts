import { answerInThread } from '../../files/list-reader.ts';
import { clientListReader } from './client-list.ts';

answerInThread(clientListReader);
