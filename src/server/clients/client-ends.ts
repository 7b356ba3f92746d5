import type { Clients } from '../../authorization-server/clients/clients.ts';
import type { Consents } from '../../consent/consents.ts';
import type { Log } from '../../events.ts';

const PAGE = 50;
const BY_END = Object.freeze({ by: { kind: 'server' }, reason: 'the client has ended' } as const);

/** Ends the consents of a client with the client, and finishes the ends that a process before this one left. */
export async function endWithConsents(
  clients: Pick<Clients, 'endWith' | 'resumeEnds'>,
  consents: Pick<Consents, 'pageOfClient' | 'revoke'>,
  log: Log,
): Promise<void> {
  clients.endWith(async (clientId) => {
    let after: string | undefined;
    do {
      const page = await consents.pageOfClient(clientId, {
        limit: PAGE,
        ...(after === undefined ? {} : { after }),
      });
      const open = page.consents.filter(
        ({ status }) => status === 'authorised' || status === 'awaiting-authorisation',
      );
      await Promise.all(open.map(({ consentId }) => consents.revoke(consentId, BY_END)));
      after = page.next;
    } while (after !== undefined);
  });
  await clients.resumeEnds().catch((error: unknown) => log.emit('clients.end.unfinished', { error }));
}
