import * as oauth from 'openid-client';
import { connectTpp, type DemoTpp, type DemoTppOptions } from './demo-tpp.ts';

const SCOPE = 'openid accounts';

/** An account as the bank's API shows it to a TPP. */
export interface ConnectedAccount {
  readonly name: string;
  readonly iban: string;
  readonly balance: string;
}

/** The TPP's side of the customer's connection to the bank. */
export class TppConnection {
  readonly #tpp: DemoTpp;
  readonly #redirectUri: string;

  private constructor(tpp: DemoTpp, redirectUri: string) {
    this.#tpp = tpp;
    this.#redirectUri = redirectUri;
  }

  static async open(options: DemoTppOptions & { readonly redirectUri: string }): Promise<TppConnection> {
    return new TppConnection(await connectTpp(options), options.redirectUri);
  }

  /** Pushes an authorization request; the browser goes on to `url`. */
  async begin(): Promise<{ readonly url: URL; readonly state: string; readonly verifier: string }> {
    const [state, verifier] = [oauth.randomState(), oauth.randomPKCECodeVerifier()];
    const url = await oauth.buildAuthorizationUrlWithPAR(this.#tpp.config, {
      redirect_uri: this.#redirectUri,
      scope: SCOPE,
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    return { url, state, verifier };
  }

  /** Redeems the code of the way back. */
  async end(
    url: URL,
    started: { readonly state: string; readonly verifier: string },
  ): Promise<{ readonly refreshToken: string | undefined } | { readonly error: string }> {
    try {
      const answer = await oauth.authorizationCodeGrant(this.#tpp.config, url, {
        pkceCodeVerifier: started.verifier,
        expectedState: started.state,
      });
      return { refreshToken: answer.refresh_token };
    } catch (error) {
      if (error instanceof oauth.AuthorizationResponseError) return { error: error.error };
      throw error;
    }
  }

  /** The accounts that the customer allowed; none when the consent has ended at the bank. */
  async accounts(refreshToken: string): Promise<readonly ConnectedAccount[]> {
    const token = await oauth.refreshTokenGrant(this.#tpp.config, refreshToken).catch((error: unknown) => {
      if (error instanceof oauth.ResponseBodyError && error.error === 'invalid_grant') return undefined;
      throw error;
    });
    if (token === undefined) return [];
    const { body } = await this.#tpp.call('/accounts', token.access_token);
    return Promise.all(
      (body.accounts as { accountId: string; name: string; iban: string }[]).map(
        async ({ accountId, name, iban }) => {
          const answer = await this.#tpp.call(`/accounts/${accountId}/balances`, token.access_token);
          const [balance] = answer.body.balances as { amount: string; currency: string }[];
          return {
            name,
            iban,
            balance: balance === undefined ? '' : `${balance.amount} ${balance.currency}`,
          };
        },
      ),
    );
  }

  /** Ends the grant at the bank. */
  disconnect(refreshToken: string): Promise<void> {
    return oauth.tokenRevocation(this.#tpp.config, refreshToken);
  }
}
