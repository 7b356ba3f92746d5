import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { onwardOf, Tpp } from '../../durability/tpp.ts';
import type { Attack } from './attack.ts';
import { inLoops } from './sockets.ts';

export const PROCESS_ATTACKS: readonly Attack[] = [
  {
    name: 'one of two workers is stopped (SIGSTOP)',
    configuration: { workers: 2 },
    run: async ({ serverPid, seconds }) => {
      const [worker] = childrenOf(serverPid);
      if (worker === undefined) return 'there is no worker';
      process.kill(worker, 'SIGSTOP');
      const stoppedAt = performance.now();
      const end = stoppedAt + seconds * 1000;
      while (performance.now() < end) {
        if (childrenOf(serverPid).filter((pid) => pid !== worker).length > 1) break;
        await sleep(100);
      }
      const took = (performance.now() - stoppedAt) / 1000;
      await sleep(Math.max(0, end - performance.now()));
      if (!childrenOf(serverPid).includes(worker)) return `replaced after ${took.toFixed(1)} s`;
      process.kill(worker, 'SIGCONT');
      return 'not replaced';
    },
  },
  {
    name: 'logins with 3,500 names on one interaction, in 8 loops',
    run: async ({ ports, description, seconds }) => {
      const tpp = new Tpp({ description }, 'money-one');
      const server = { ports };
      const cookies = new Map<string, string>();
      const { requestUri } = await tpp.pushed(server);
      const query = new URLSearchParams({ client_id: tpp.clientId, request_uri: requestUri });
      const browse = async (path: string, form?: URLSearchParams) => {
        const answer = await tpp.browse(server, path, { cookies, ...(form === undefined ? {} : { form }) });
        for (const field of [answer.headers['set-cookie'] ?? []].flat()) {
          const [pair = ''] = field.split(';');
          cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
        }
        return answer;
      };
      const location = onwardOf(await browse(`/authorize?${query}`)) ?? '';
      const page = new URL(location, description.issuer).pathname;
      const csrf = /name="csrf" value="([^"]*)"/.exec((await browse(page)).text)?.[1] ?? '';
      let names = 0;
      const counts = new Map<number, number>();
      await inLoops({ loops: 8, seconds, most: 3500 }, async () => {
        names += 1;
        const form = { csrf, action: 'login', username: `customer-${names}`, password: 'wrong' };
        const { status } = await browse(page, new URLSearchParams(form));
        counts.set(status, (counts.get(status) ?? 0) + 1);
      });
      tpp.close();
      return [...counts].map(([status, count]) => `${count} × ${status}`).join(', ');
    },
  },
];

export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}
