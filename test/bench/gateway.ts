import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compare, tableOf } from './flows/compare.ts';
import { gatewayFlow } from './gateway/gateway-flow.ts';
import { openBehindNginx } from './gateway/behind-nginx.ts';
import { startLoad } from './tokens/contenders.ts';

// What the gateway costs: an API behind nginx with the client's certificate, and the same with `auth_request` to the
// gateway before it, in the same rounds, by the documented lines. Warm tokens, connections that are kept.
const folder = mkdtempSync(join(tmpdir(), 'tallystick-bench-'));
const behindNginx = await openBehindNginx(folder);
const load = startLoad();
const flow = gatewayFlow(behindNginx, load);
console.log(tableOf([await compare(flow, { rounds: 7, seconds: 1, warmSeconds: 2 })]));
load.close();
await behindNginx.close();
rmSync(folder, { recursive: true });
