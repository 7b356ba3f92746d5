import { connect, createServer, type Server } from 'node:net';
import { type BankProcess, isReady } from './bank.ts';

/** Passes connections on to the instances that are ready, in turn. It looks at their health and retries nothing. */
export interface Balancer {
  readonly instances: BankProcess[];
  /** How many instances were ready at the last look. */
  readonly readyCount: number;
  close(): void;
}

const LOOK_MILLISECONDS = 50;

export async function startBalancer(port: number, instances: BankProcess[]): Promise<Balancer> {
  let ready: BankProcess[] = [];
  let turn = 0;
  const look = async () => {
    const now = [...instances];
    const answers = await Promise.all(now.map(isReady));
    ready = now.filter((_, at) => answers[at]);
  };
  await look();
  const timer = setInterval(() => void look(), LOOK_MILLISECONDS);
  const server: Server = createServer({ allowHalfOpen: true }, (client) => {
    turn += 1;
    const chosen = ready[turn % Math.max(1, ready.length)];
    if (chosen === undefined) {
      client.destroy();
      return;
    }
    const upstream = connect({ port: chosen.ports.mtls, host: '127.0.0.1', allowHalfOpen: true });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.pipe(to);
      from.on('error', () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    instances,
    get readyCount() {
      return ready.length;
    },
    close: () => {
      clearInterval(timer);
      server.close();
    },
  };
}
