import { isRefusal } from '../errors.ts';
import type { Revocation } from '../x509/revocation/revocation.ts';
import type { TppCredential } from './credential.ts';
import type { RuleLog } from './decision.ts';

const RULE = { rule: 'not revoked', clause: 'RFC 5280 §6.3, RFC 6960 §3.2' };

/**
 * Proves that no certificate of the path is revoked, by the policy of its trust profile. Returns undefined when
 * all answers are in memory: then there is nothing to await.
 *
 * @throws ERR_CERT_REVOKED, ERR_CERT_REVOCATION_INVALID, ERR_CERT_REVOCATION_UNAVAILABLE
 */
export function verifyNotRevoked(
  { path, profile }: TppCredential,
  revocation: Pick<Revocation, 'check'> | undefined,
  trail: RuleLog,
): Promise<void> | undefined {
  const policy = profile.revocation;
  if (policy === undefined || revocation === undefined) return undefined;
  const refuse = (error: unknown): never => {
    if (isRefusal(error)) trail.note(() => ({ ...RULE, refusal: error }));
    throw error;
  };
  const pass = (): void =>
    trail.note(() => ({ ...RULE, found: policy.mode === 'none' ? 'not checked' : policy.mode }));
  try {
    const unsettled = revocation.check(path, policy);
    if (unsettled !== undefined) return unsettled.then(pass, refuse);
    pass();
    return undefined;
  } catch (error) {
    return refuse(error);
  }
}
