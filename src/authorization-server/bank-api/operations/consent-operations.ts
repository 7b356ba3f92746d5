import type { Clock } from '../../../clock.ts';
import type { ConsentUses } from '../../../consent/consent-uses.ts';
import type { Consent } from '../../../consent/consent.ts';
import type { Consents } from '../../../consent/consents.ts';
import type { DetailTypes } from '../../../consent/details/detail-types.ts';
import { OpenBankingError } from '../../../errors.ts';
import type { Clients } from '../../clients/clients.ts';
import { consentView } from '../../customer/pages/consent-view/consent-view.ts';
import type { Languages } from '../../customer/pages/words/languages.ts';
import {
  CHANGE_CONSENT,
  CONSUME_CONSENT,
  CREATE_CONSENT,
  LIST_CONSENTS,
  READ_CONSENT,
  REJECT_CONSENT,
  REVOKE_CONSENT,
} from './consent-contracts.ts';
import { type Operation, operation } from '../contract.ts';
import type { Creations } from './creations.ts';
import { requestFault } from '../request-fault.ts';

export interface ConsentOperationsParts {
  readonly consents: Consents;
  readonly consentUses: Pick<ConsentUses, 'lastUseOf'>;
  readonly creations: Creations;
  readonly clients: Pick<Clients, 'find'>;
  readonly detailTypes: DetailTypes;
  readonly languages: Languages;
  readonly clock: Clock;
}

/** Consents and intents, for the core of the bank. */
export function consentOperations(parts: ConsentOperationsParts): readonly Operation[] {
  const { consents } = parts;
  const shown = (consent: Consent, language?: string) => shownConsent(consent, parts, language);
  const known = async (consentId: string) => {
    const consent = await consents.find(consentId);
    if (consent === undefined) throw new OpenBankingError('ERR_CONSENT_UNKNOWN', { consentId });
    return consent;
  };
  return [
    operation(CREATE_CONSENT, async ({ body, caller, idempotencyKey }) => {
      const client = await parts.clients.find(body.clientId);
      if (client === undefined) throw requestFault('body.clientId', 'is no registered client');
      const asked = {
        ...body,
        authorizationNumber: client.authorization_number,
        details: parts.detailTypes.parse(body.details),
        expiresAt: future(body.expiresAt, parts.clock),
        by: bank(caller),
      };
      return shown(await parts.creations.once({ caller, idempotencyKey, body }, asked));
    }),
    operation(READ_CONSENT, async ({ params, query }) =>
      shown(await known(params.consentId), query.language),
    ),
    operation(LIST_CONSENTS, async ({ query }) => {
      const { consents: found, next } = await pageOf(consents, query);
      return { consents: await Promise.all(found.map((one) => shown(one, query.language))), next };
    }),
    operation(CHANGE_CONSENT, async ({ params, body, caller }) => {
      const details = parts.detailTypes.parse(body.details);
      const expiresAt = body.expiresAt === undefined ? undefined : future(body.expiresAt, parts.clock);
      const content = { details, expiresAt, by: bank(caller), reason: body.reason };
      return shown(await consents.change(params.consentId, content));
    }),
    operation(REJECT_CONSENT, async ({ params, body, caller }) =>
      shown(await consents.reject(params.consentId, { by: bank(caller), reason: body.reason })),
    ),
    operation(REVOKE_CONSENT, async ({ params, body, caller }) => {
      await known(params.consentId);
      await consents.revoke(params.consentId, { by: bank(caller), reason: body.reason });
      return shown(await known(params.consentId));
    }),
    operation(CONSUME_CONSENT, async ({ params, body, caller }) => {
      const isFirst = await consents.consume(params.consentId, { by: bank(caller), reason: body.reason });
      return { isFirst, consent: await shown(await known(params.consentId)) };
    }),
  ];
}

function bank(caller: string) {
  return { kind: 'bank', id: caller } as const;
}

/** @throws ERR_BANK_REQUEST */
function future(text: string, clock: Clock): Date {
  const at = new Date(text);
  if (at <= clock.now()) throw requestFault('body.expiresAt', 'is over');
  return at;
}

async function pageOf(
  consents: Consents,
  query: {
    readonly psuId?: string | undefined;
    readonly authorizationNumber?: string | undefined;
    readonly clientId?: string | undefined;
    readonly after?: string | undefined;
    readonly limit: number;
  },
): Promise<{ readonly consents: readonly Consent[]; readonly next?: string | undefined }> {
  const { psuId, authorizationNumber, clientId = '', ...page } = query;
  if (authorizationNumber !== undefined) return consents.pageOfTpp(authorizationNumber, page);
  if (psuId === undefined) return consents.pageOfClient(clientId, page);
  const all = await consents.listOfCustomer(psuId);
  const from = page.after === undefined ? 0 : all.findIndex(({ consentId }) => consentId === page.after) + 1;
  if (page.after !== undefined && from === 0)
    throw requestFault('query.after', 'is of no page of this customer');
  const found = all.slice(from, from + page.limit);
  const next = from + page.limit < all.length ? found.at(-1)?.consentId : undefined;
  return { consents: found, next };
}

async function shownConsent(
  consent: Consent,
  { languages, consentUses }: Pick<ConsentOperationsParts, 'languages' | 'consentUses'>,
  language?: string,
) {
  const { details, scopes, claims } = consent;
  const words = languages.preferred({ uiLocales: language === undefined ? [] : [language] });
  const names = [...new Set([...(claims?.idToken ?? []), ...(claims?.userinfo ?? [])])];
  return {
    ...consent,
    view: consentView({ details, scopes, claims: names }, words),
    lastUsedAt: (await consentUses.lastUseOf(consent.consentId))?.toISOString(),
    createdAt: consent.createdAt.toISOString(),
    statusChangedAt: consent.statusChangedAt.toISOString(),
    expiresAt: consent.expiresAt.toISOString(),
  };
}
