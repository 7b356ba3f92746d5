import { OpenBankingError } from '../../errors.ts';

/** Printable ASCII, of a length that a lock screen shows whole: the customer compares two screens. */
const BINDING_MESSAGE = /^[\x20-\x7e]{1,64}$/;
/** CIBA §7.1: 128 bits at least, which 22 characters of base64 hold. */
const MIN_NOTIFICATION_TOKEN_LENGTH = 22;
const MAX_HINT_LENGTH = 256;

/** A request for CIBA, after its signature has been verified: the parameters of the request object. */
export type BackchannelParameters = Readonly<Record<string, unknown>>;

/** Refused here, because an answer without them would mislead the TPP. */
const UNSUPPORTED = ['login_hint_token', 'request_context'] as const;

/**
 * The rules for parameters that the provider does not have.
 *
 * @throws ERR_CIBA_BINDING_MESSAGE, ERR_CIBA_REQUEST, ERR_PARAMETER_UNSUPPORTED
 */
export function assertBackchannelParameters(
  params: BackchannelParameters,
  { takesUserCode }: { readonly takesUserCode: boolean },
): void {
  const message = textOf(params.binding_message);
  if (message !== undefined && !isShowable(message)) {
    throw new OpenBankingError('ERR_CIBA_BINDING_MESSAGE', { length: message.length });
  }
  const unsupported = takesUserCode ? UNSUPPORTED : [...UNSUPPORTED, 'user_code'];
  const name = unsupported.find((one) => textOf(params[one]) !== undefined);
  if (name !== undefined) throw new OpenBankingError('ERR_PARAMETER_UNSUPPORTED', { name });
  const token = textOf(params.client_notification_token);
  if (token !== undefined && token.length < MIN_NOTIFICATION_TOKEN_LENGTH) {
    throw invalid(`client_notification_token has fewer than ${MIN_NOTIFICATION_TOKEN_LENGTH} characters`);
  }
  if ((textOf(params.login_hint)?.length ?? 0) > MAX_HINT_LENGTH) {
    throw invalid(`login_hint is longer than ${MAX_HINT_LENGTH} characters`);
  }
  if ((textOf(params.user_code)?.length ?? 0) > MAX_HINT_LENGTH) {
    throw invalid(`user_code is longer than ${MAX_HINT_LENGTH} characters`);
  }
  if (!/^[1-9]\d{0,8}$/.test(textOf(params.requested_expiry) ?? '1')) {
    throw invalid('requested_expiry must be a number of seconds');
  }
}

/** Spaces alone show nothing; outer ones are lost on a screen. */
function isShowable(message: string): boolean {
  return BINDING_MESSAGE.test(message) && message.trim() === message;
}

/** The life of a request: what the client asks for, within the bank's limits. */
export function expirySeconds(
  params: BackchannelParameters,
  { defaultSeconds, maxSeconds }: { readonly defaultSeconds: number; readonly maxSeconds: number },
): number {
  const asked = textOf(params.requested_expiry);
  return asked === undefined ? defaultSeconds : Math.min(Number(asked), maxSeconds);
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function invalid(problem: string): OpenBankingError<'ERR_CIBA_REQUEST'> {
  return new OpenBankingError('ERR_CIBA_REQUEST', { problem });
}

/** FAPI-CIBA §5.2.2: a request object may be valid for an hour. */
const MAX_VALID_SECONDS = 3600;
const MAX_AHEAD_SECONDS = 60;
const MAX_JTI_LENGTH = 256;

/**
 * The rules for the claims of a signed request (CIBA §7.1.1, FAPI-CIBA §5.2.2). Its issuer, audience and end
 * have been checked.
 *
 * @throws ERR_CIBA_REQUEST
 */
export function assertRequestClaims(
  { exp, nbf, iat, jti }: Readonly<Record<string, unknown>>,
  nowSeconds: number,
): { readonly jti: string; readonly exp: number } {
  if (typeof exp !== 'number' || typeof nbf !== 'number' || typeof iat !== 'number') {
    throw invalid('the request object must have exp, nbf and iat');
  }
  if (exp - nbf > MAX_VALID_SECONDS || nbf < nowSeconds - MAX_VALID_SECONDS) {
    throw invalid('the request object must not be valid for longer than an hour');
  }
  if (exp > nowSeconds + MAX_VALID_SECONDS + MAX_AHEAD_SECONDS) {
    throw invalid('exp is more than an hour ahead');
  }
  if (iat > nowSeconds + MAX_AHEAD_SECONDS) throw invalid('iat is in the future');
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_JTI_LENGTH) {
    throw invalid(`jti must be a string of at most ${MAX_JTI_LENGTH} characters`);
  }
  return { jti, exp };
}
