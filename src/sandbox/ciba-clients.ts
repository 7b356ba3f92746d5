export interface CibaClient {
  readonly client_id: string;
  readonly token_endpoint_auth_method: 'tls_client_auth' | 'private_key_jwt';
  /** FAPI-CIBA is a profile beside FAPI 1. */
  readonly profile: 'fapi1-advanced';
  readonly backchannel_token_delivery_mode: 'poll' | 'ping';
  readonly backchannel_client_notification_endpoint?: string;
}

/** Where the demo TPP takes pings. */
export const TPP_PINGS = '/pings';
/** TPPs with clients for CIBA. */
const CIBA_TPPS: readonly string[] = ['money-one', 'money-two'];

/** The clients of a TPP that ask customers on their phones: by each authentication, and in both ways of delivery. */
export function cibaClientsOf(name: string, tppUrl: string): readonly CibaClient[] {
  if (!CIBA_TPPS.includes(name)) return [];
  const methods = { mtls: 'tls_client_auth', jwt: 'private_key_jwt' } as const;
  return Object.entries(methods).flatMap(([word, method]) => {
    const common = { token_endpoint_auth_method: method, profile: 'fapi1-advanced' } as const;
    return [
      { client_id: `${name}-${word}-ciba-poll`, ...common, backchannel_token_delivery_mode: 'poll' as const },
      {
        client_id: `${name}-${word}-ciba-ping`,
        ...common,
        backchannel_token_delivery_mode: 'ping' as const,
        backchannel_client_notification_endpoint: `${tppUrl}${TPP_PINGS}`,
      },
    ];
  });
}
