/** A JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [member: string]: Json };

/** An access that a client asks for (RFC 9396 §2), whichever way the request names it. */
export interface AuthorizationDetail {
  readonly type: string;
  readonly [member: string]: Json;
}
