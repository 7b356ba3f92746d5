import type { Flow } from '../flows/compare.ts';
import type { startLoad } from '../tokens/contenders.ts';
import type { BehindNginx } from './behind-nginx.ts';

/** A request to an API behind nginx, with and without the gateway. */
export function gatewayFlow(
  { alone, guarded, burst }: BehindNginx,
  load: ReturnType<typeof startLoad>,
): Flow {
  return {
    name: 'gateway behind nginx (reference: nginx alone)',
    reference: alone,
    own: guarded,
    prepare:
      async ({ port, host }) =>
      (seconds) =>
        load.send({ ...burst, port, host, seconds }),
  };
}
