/** Emits events as its parent asks, and ends on SIGTERM as the program does: without a call of `process.exit`. */
import { createLog } from '../../src/index.ts';

const log = createLog();
const idle = setInterval(() => {}, 1000);
process.on('message', ({ refusals, grants }: { readonly refusals: number; readonly grants: number }) => {
  for (let number = 0; number < refusals; number += 1) {
    log.emit('grant.refused', { authorizationNumber: 'PSDGB-FCA-1', route: '/token' });
  }
  for (let number = 0; number < grants; number += 1) log.emit('token.issued', { requestId: `${number}` });
  process.send?.({ rss: process.memoryUsage.rss() });
});
process.once('SIGTERM', () => {
  clearInterval(idle);
  process.disconnect?.();
});
