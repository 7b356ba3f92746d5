import { answerInThread } from '../../../src/files/list-reader.ts';
import { ebaRegisterReader } from './register-reader.ts';

answerInThread(ebaRegisterReader);
