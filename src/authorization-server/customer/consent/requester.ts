import type { Client } from 'oidc-provider';
import type { TppRecord } from '../../../../tpp-registry/index.ts';
import type { ConsentRequester } from '../../../consent/consent.ts';
import type { AuthorizationDetail } from '../../../consent/details/authorization-detail.ts';
import { agentOf } from '../../clients/registered-client.ts';

/** The TPP as the customer sees it, and as the consent keeps it. */
export function requesterOfAccess({
  client,
  tpp,
  details,
}: {
  readonly client: Client;
  readonly tpp: TppRecord;
  readonly details: readonly AuthorizationDetail[];
}): ConsentRequester {
  return {
    service: serviceOf({ client, tpp }),
    legalName: tpp.legalName,
    agent: agentOf(client),
    purpose: purposeOf(details),
  };
}

/** The name of the TPP's service. */
export function serviceOf({
  client,
  tpp,
}: {
  readonly client: Client;
  readonly tpp?: TppRecord | undefined;
}): string {
  return client.clientName ?? tpp?.tradingName ?? tpp?.legalName ?? 'the service';
}

/** The purposes that the TPP names in its own words, each once. */
function purposeOf(details: readonly AuthorizationDetail[]): string | undefined {
  const purposes = details.flatMap(({ type, purpose }) =>
    type === 'account_information' && typeof purpose === 'string' ? [purpose] : [],
  );
  return purposes.length === 0 ? undefined : [...new Set(purposes)].join(' · ');
}
