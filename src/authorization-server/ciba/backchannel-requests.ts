import { randomBytes } from 'node:crypto';
import { decodeJwt } from 'jose';
import type {
  BackchannelAuthenticationRequest,
  Client,
  Configuration,
  KoaContextWithOIDC,
} from 'oidc-provider';
import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { psuField } from '../../consent/psu-name.ts';
import type { Log } from '../../events.ts';
import type { AuthorisationStatus } from '../../tpp/authorisation-status.ts';
import { tppOf } from '../clients/registered-client.ts';
import type { AspspCalls } from '../customer/bank/aspsp-calls.ts';
import type { CustomerHint } from '../customer/bank/decoupled-approval.ts';
import type { AskedAccesses } from '../customer/consent/asked-access.ts';
import { refusing } from '../request/oauth-error.ts';
import type { ApprovalParams, ApprovalRecord, ApprovalRecords } from './approval-records.ts';
import { type ApprovalRules, approvalView } from './approval-view.ts';
import type { OpenRequests } from './open-requests.ts';
import { assertBackchannelParameters, assertRequestClaims, expirySeconds, textOf } from './request-rules.ts';

/** `ciba` of the configuration. */
export interface CibaRules {
  readonly deliveryModes: readonly ('poll' | 'ping')[];
  /** The life of a request that asks for none, and the longest. */
  readonly defaultSeconds: number;
  readonly maxSeconds: number;
  readonly openRequestsPerCustomer: number;
  /** Whether a TPP may send the customer's `user_code`, which the bank then checks. */
  readonly userCode: boolean;
  /**
   * The answer to a hint that names no customer: `as-known` answers as for a customer who does not react, so that no TPP
   * can find out who is a customer; `refuse` answers `unknown_user_id`.
   */
  readonly unknownCustomer: 'as-known' | 'refuse';
}

export interface BackchannelRequestsOptions extends ApprovalRules {
  readonly rules: CibaRules;
  readonly authorisationStatus: AuthorisationStatus;
  readonly clock: Clock;
  /** Names customers in events. */
  readonly secret: Buffer;
  readonly log: Log;
}

interface Parts {
  readonly calls: Pick<AspspCalls, 'findCustomer' | 'startApproval'>;
  readonly records: ApprovalRecords;
  readonly open: OpenRequests;
  readonly accesses: Pick<AskedAccesses, 'of'>;
  /** Ends a request about which the bank could not ask. */
  readonly fail: (approvalId: string) => Promise<void>;
}

type CibaFeature = NonNullable<NonNullable<Configuration['features']>['ciba']>;

/** The findings of the hooks about one request. */
interface Findings {
  /** The bank knows no customer of the hint. */
  isUnknown?: true;
  place?: string;
}

/** The provider's endpoint for backchannel requests: its hooks, in the order in which it calls them. */
export class BackchannelRequests {
  readonly #options: BackchannelRequestsOptions;
  readonly #parts: Parts;
  readonly #findings = new WeakMap<KoaContextWithOIDC, Findings>();

  constructor(options: BackchannelRequestsOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  get feature(): CibaFeature {
    return {
      enabled: true,
      deliveryModes: [...this.#options.rules.deliveryModes],
      validateRequestContext: (ctx) => refusing(this.#check(ctx)),
      // `validateRequestContext` has judged it, together with the others.
      validateBindingMessage: () => Promise.resolve(),
      processLoginHint: (ctx, hint) => refusing(this.#find(ctx, { type: 'login_hint', value: String(hint) })),
      processLoginHintToken: () => Promise.resolve(undefined),
      verifyUserCode: (ctx, account) => refusing(this.#admit(ctx, account.accountId)),
      triggerAuthenticationDevice: (ctx, request, _account, client) =>
        refusing(this.#ask(ctx, request, client)),
    };
  }

  /** The life of a request, for the provider. */
  secondsOf(ctx: KoaContextWithOIDC): number {
    return expirySeconds(ctx.oidc.params ?? {}, this.#options.rules);
  }

  /** The signature has been verified. */
  async #check(ctx: KoaContextWithOIDC): Promise<void> {
    const { clock, rules } = this.#options;
    assertBackchannelParameters(ctx.oidc.params ?? {}, { takesUserCode: rules.userCode });
    const claims = decodeJwt(String(ctx.oidc.body?.request));
    const { jti, exp } = assertRequestClaims(claims, epochSeconds(clock.now()));
    const issuer = `backchannel request of ${ctx.oidc.client?.clientId}`;
    // Until no clock within the tolerance takes the request any more.
    const isNew = await ctx.oidc.provider.ReplayDetection.unique(issuer, jti, exp + 60);
    if (!isNew) throw new OpenBankingError('ERR_CIBA_REQUEST', { problem: 'jti was used before' });
  }

  /** @throws ERR_CIBA_UNKNOWN_CUSTOMER, ERR_CIBA_USER_CODE_MISSING, ERR_CIBA_USER_CODE, ERR_ASPSP_UNAVAILABLE */
  async #find(ctx: KoaContextWithOIDC, hint: Pick<CustomerHint, 'type' | 'value'>): Promise<string> {
    const { rules, log } = this.#options;
    const client = clientOf(ctx);
    const userCode = textOf(ctx.oidc.params?.user_code);
    const found = await this.#parts.calls.findCustomer({ ...hint, userCode, clientId: client.clientId });
    if (found.type === 'found') return found.psuId;
    if (found.type === 'user-code') {
      const isMissing = found.problem === 'missing';
      throw new OpenBankingError(isMissing ? 'ERR_CIBA_USER_CODE_MISSING' : 'ERR_CIBA_USER_CODE', {});
    }
    const { authorizationNumber } = tppOf(client);
    log.emit('ciba.unknown_customer', { ...idOf(ctx), clientId: client.clientId, authorizationNumber });
    if (rules.unknownCustomer === 'refuse') throw new OpenBankingError('ERR_CIBA_UNKNOWN_CUSTOMER', {});
    this.#findingsOf(ctx).isUnknown = true;
    return randomBytes(16).toString('base64url');
  }

  async #admit(ctx: KoaContextWithOIDC, psuId: string): Promise<void> {
    const { clientId } = clientOf(ctx);
    const findings = this.#findingsOf(ctx);
    const { id_token_hint: idTokenHint, login_hint: loginHint } = ctx.oidc.params ?? {};
    if (textOf(idTokenHint) !== undefined) {
      const found = await this.#find(ctx, { type: 'id_token_hint', value: psuId });
      if (findings.isUnknown !== true && found !== psuId)
        throw new OpenBankingError('ERR_CIBA_UNKNOWN_CUSTOMER', {});
    }
    const subject = findings.isUnknown === true ? `hint ${textOf(loginHint) ?? psuId}` : `psu ${psuId}`;
    findings.place = await this.#parts.open.take(clientId, subject, this.#endOf(this.secondsOf(ctx)));
  }

  /** Keeps the question, and has the bank ask. The TPP does not wait for that: its length would reveal a customer. */
  async #ask(
    ctx: KoaContextWithOIDC,
    request: BackchannelAuthenticationRequest,
    client: Client,
  ): Promise<void> {
    const { records } = this.#parts;
    const { isUnknown, place = '' } = this.#findingsOf(ctx);
    const params = ctx.oidc.params ?? {};
    const authReqId = request.jti;
    const record: ApprovalRecord = {
      approvalId: records.idOf(authReqId),
      authReqId,
      clientId: client.clientId,
      psuId: isUnknown === true ? undefined : request.accountId,
      place,
      params: { ...paramsOf(params), ...(request.scope === undefined ? {} : { scope: request.scope }) },
      expiresAt: this.#endOf(request.expiration),
    };
    await records.put(record);
    void this.#start(record, { client, requestId: idOf(ctx).requestId });
  }

  async #start(
    record: ApprovalRecord,
    { client, requestId }: { readonly client: Client; readonly requestId: string },
  ): Promise<void> {
    const { log, authorisationStatus, secret } = this.#options;
    const { calls, fail, accesses } = this.#parts;
    const { approvalId, psuId, clientId, params } = record;
    if (psuId === undefined) return;
    const { authorizationNumber } = tppOf(client);
    const named = { requestId, clientId, authorizationNumber, ...psuField(secret, psuId) };
    const fields = { ...named, scope: params.scope ?? '' };
    try {
      const tpp = authorisationStatus.verify(tppOf(client));
      const asked = await accesses.of({ params, client });
      const parts = { client, tpp, asked, rules: this.#options };
      await calls.startApproval(approvalView({ ...record, psuId }, parts));
      log.emit('ciba.asked', fields);
    } catch (error) {
      log.emit('ciba.not_asked', { ...fields, error });
      // The request expires where this fails too.
      await fail(approvalId).catch((fault: unknown) =>
        log.emit('ciba.not_asked', { ...fields, error: fault }),
      );
    }
  }

  #findingsOf(ctx: KoaContextWithOIDC): Findings {
    const found = this.#findings.get(ctx) ?? {};
    this.#findings.set(ctx, found);
    return found;
  }

  #endOf(seconds: number): Date {
    return new Date(this.#options.clock.now().getTime() + seconds * 1000);
  }
}

function clientOf(ctx: KoaContextWithOIDC): Client {
  const { client } = ctx.oidc;
  if (client === undefined) throw new TypeError('the provider has not found the client yet');
  return client;
}

/** Those of the request that are there. */
function paramsOf(params: Readonly<Record<string, unknown>>): ApprovalParams {
  const names = [
    'authorization_details',
    'claims',
    'acr_values',
    'max_age',
    'binding_message',
    'ui_locales',
  ] as const;
  return Object.fromEntries(
    names.flatMap((name) => (params[name] === undefined ? [] : [[name, String(params[name])]])),
  );
}

function idOf(ctx: KoaContextWithOIDC): { readonly requestId: string } {
  return { requestId: String(ctx.state.requestId) };
}
