import type { CustomerAnswer } from '../demo-browser.ts';
import type { ApiAnswer, ApiRequest, DemoTpp } from '../demo-tpp.ts';
import { authorize, type DemoAuthorization, type RequestForm } from '../authorization-request.ts';
import { answerOnPhone } from '../phone.ts';
import { confirmedBy, generatedCode } from '../second-element.ts';
import type { Walk } from '../walk.ts';

/** A request to one of the bank's APIs. */
interface BankRequest extends ApiRequest {
  readonly path: string;
  /** Absent: the certificate is enough. */
  readonly token?: string | undefined;
}

/** Calls the bank. @throws with the status and the reason of a refusal */
export async function ask(
  tpp: DemoTpp,
  { path, token = '', ...request }: BankRequest,
): Promise<Record<string, unknown>> {
  const answer = await tpp.call(path, token, request);
  if (answer.status < 400) return answer.body;
  throw new Error(`HTTP ${answer.status}, ${reasonOf(answer)}`);
}

/** The reason of a refusal, in the form of each family of APIs. */
function reasonOf({ body }: ApiAnswer): string {
  const {
    Errors: uk,
    tppMessages: berlin,
    error,
    error_description: text,
  } = body as {
    readonly Errors?: readonly { readonly ErrorCode: string; readonly Message: string }[];
    readonly tppMessages?: readonly { readonly code: string; readonly text: string }[];
    readonly error?: string;
    readonly error_description?: string;
  };
  const [ofUk, ofBerlin] = [uk?.[0], berlin?.[0]];
  const code = ofUk?.ErrorCode ?? ofBerlin?.code ?? error ?? '';
  const reason = ofUk?.Message ?? ofBerlin?.text ?? text ?? '';
  return reason.startsWith('ERR_') ? reason : `${code}: ${reason}`;
}

/** A customer of the demo bank who allows what is asked, with a second element of this kind. */
export function customer(
  { description }: Walk,
  username: string,
  by: 'totp' | 'app',
): Extract<CustomerAnswer, { readonly decision: 'allow' }> {
  const found = description.customers.find((one) => one.username === username);
  if (found === undefined) throw new TypeError(`the sandbox has no customer ${username}`);
  const confirm = (comparison: string) => answerOnPhone(description, 'approve', { username, comparison });
  const second = by === 'totp' ? generatedCode(found.totpSecret) : confirmedBy(confirm);
  return { decision: 'allow', ...found, second };
}

/** An access that a customer has allowed, and its tokens. */
export interface AllowedAccess extends Pick<DemoAuthorization, 'redeem'> {
  readonly tokens: Awaited<ReturnType<DemoAuthorization['redeem']>>;
}

/** Has the customer allow an access, and redeems the code. */
export async function allowed(
  walk: Walk,
  tpp: DemoTpp,
  request: {
    readonly answer: CustomerAnswer;
    readonly form?: RequestForm;
    readonly parameters: Readonly<Record<string, string>>;
  },
): Promise<AllowedAccess> {
  const { redeem } = await authorize(tpp, { caFile: walk.description.caFile, ...request });
  return { redeem, tokens: await redeem() };
}
