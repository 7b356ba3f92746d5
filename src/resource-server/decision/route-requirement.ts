import { MessageSignatures } from '../signatures/message-signatures.ts';
import { assertCovers, type Covers } from './coverage.ts';
import type { Requirement } from './requirement.ts';

/**
 * The requirement of a route. Scopes and roles are mandatory, so that neither is forgotten; [] requires nothing. `Source`
 * is the request of the framework.
 */
export interface RouteRequirement<Source = unknown> extends Requirement {
  readonly roles: NonNullable<Requirement['roles']>;
  /** Signatures of requests and answers, of `createMessageSignatures`. Absent: none are looked at, none are made. */
  readonly signatures?: MessageSignatures | undefined;
  /** The part of a request that the customer's consent must cover. Absent: the consent is not looked at. */
  readonly covers?: Covers<Source> | undefined;
}

/** Text within a quoted string, without a space (RFC 9470 §3). */
const ACR = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/**
 * Routes are mounted once, by people who may write JavaScript: a missing list must not mean "anything goes".
 *
 * @throws TypeError
 */
export function assertRequirement(
  requirement: RouteRequirement<never>,
  { knowsConsents }: { readonly knowsConsents: boolean },
): void {
  for (const name of ['scopes', 'roles'] as const) {
    if (!Array.isArray(requirement?.[name])) {
      throw new TypeError(`a route must name the ${name} that it needs; [] is for none`);
    }
  }
  const { signatures, covers, acr, maxAgeSeconds } = requirement;
  if (signatures !== undefined && !(signatures instanceof MessageSignatures)) {
    throw new TypeError('signatures must be of createMessageSignatures');
  }
  if (acr !== undefined && !(Array.isArray(acr) && acr.length > 0 && acr.every((one) => ACR.test(one)))) {
    throw new TypeError('acr must be a list of authentication contexts');
  }
  if (maxAgeSeconds !== undefined && !(Number.isSafeInteger(maxAgeSeconds) && maxAgeSeconds > 0)) {
    throw new TypeError('maxAgeSeconds must be a number of seconds');
  }
  if (covers === undefined) return;
  if (!knowsConsents)
    throw new TypeError('covers needs consents: the place where they are asked about is not named');
  assertCovers(covers);
}
