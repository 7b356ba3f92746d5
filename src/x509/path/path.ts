import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Certificate } from '../certificate/certificate.ts';
import { shownName, namesEqual } from '../certificate/distinguished-name.ts';
import { isCaSignedBy } from './ca-signatures.ts';
import { isSelfIssued, type Position } from './issuance-rules.ts';
import { PathBudget } from './path-budget.ts';
import { findKeyRefusal, PATH_RULES, type PathPolicy, PathState, type PathStep } from './path-rules.ts';
import { isSignedBy } from '../certificate/signature.ts';

export type { PathPolicy } from './path-rules.ts';

/** id-kp-clientAuth, stated in the certificate; of an anchor its constraints; every other value strict. */
export const TLS_CLIENT_POLICY: PathPolicy = Object.freeze({
  keyPurpose: '1.3.6.1.5.5.7.3.2',
  anchors: 'constraints',
});

export interface PathOptions {
  /** Trust anchors of the configuration, self-signed or not. */
  readonly anchors: readonly Certificate[];
  /** From the trust store and, as mere hints, from the handshake. */
  readonly intermediates: readonly Certificate[];
  readonly at: Date;
  readonly policy: PathPolicy;
}

const SEAL = Symbol('verified');

/** A path that was verified; only `verifyPath` makes one. */
export class VerifiedPath {
  /** End entity first, anchor last. */
  readonly certificates: readonly Certificate[];
  /** Between these two dates every certificate of the path is valid. */
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Certificate policies under which the path is valid, in the anchor's words; 2.5.29.32.0 means any. */
  readonly policies: readonly string[];

  constructor(seal: typeof SEAL, certificates: readonly Certificate[], policies: readonly string[]) {
    if (seal !== SEAL) throw new TypeError('a path is made by verifyPath only');
    this.certificates = Object.freeze([...certificates]);
    this.notBefore = new Date(Math.max(...certificates.map(({ notBefore }) => notBefore.getTime())));
    this.notAfter = new Date(Math.min(...certificates.map(({ notAfter }) => notAfter.getTime())));
    this.policies = Object.freeze([...policies]);
    Object.freeze(this);
  }
}

/** A decision that can be explained: the steps of the accepted path, or of the most telling refused one. */
export type PathEvaluation =
  | { readonly path: VerifiedPath; readonly steps: readonly PathStep[] }
  | { readonly refusal: OpenBankingError; readonly steps: readonly PathStep[] };

/** Certificates of a path: end entity, CAs, anchor. Real TPP paths have two to four. */
const MAX_CERTIFICATES = 8;

/**
 * Proves that a path leads from the end entity to an anchor by every rule of RFC 5280 §6.1 and the policy. Tries all
 * paths, likely ones first, within a budget of work; when none holds, throws the most telling reason.
 *
 * Does not check revocation.
 *
 * @throws ERR_CERT_*, except ERR_CERT_MISSING
 */
export function verifyPath(endEntity: Certificate, options: PathOptions): VerifiedPath {
  const evaluation = evaluatePath(endEntity, options);
  if ('path' in evaluation) return evaluation.path;
  throw evaluation.refusal;
}

/** The decision of `verifyPath` with its steps, to be shown to people. */
export function evaluatePath(endEntity: Certificate, options: PathOptions): PathEvaluation {
  const search = new PathSearch(options);
  try {
    return search.extend([endEntity]) ?? search.mostTelling(endEntity);
  } catch (error) {
    if (!isRefusal(error, 'ERR_CERT_PATH_BUDGET')) throw error;
    return refused(BUDGET_RULE, endEntity, error);
  }
}

/** The refusal of every path that ends at this anchor; undefined for an anchor that can be used. */
export function findAnchorRefusal(
  anchor: Certificate,
  inputs: Pick<PathOptions, 'at' | 'policy'>,
): OpenBankingError | undefined {
  return applyTo(anchor, 'anchor', new PathState(1, { ...inputs, budget: new PathBudget() }));
}

type Refused = Extract<PathEvaluation, { refusal: unknown }>;

type Rule = Pick<PathStep, 'rule' | 'clause'>;

const ISSUER_RULE: Rule = { rule: 'issuer', clause: 'RFC 5280 §6.1.3 (a)(4)' };
const SIGNATURE_RULE: Rule = { rule: 'signature', clause: 'RFC 5280 §6.1.3 (a)(1)' };
const BUDGET_RULE: Rule = { rule: 'budget', clause: 'RFC 5280 §8' };

/** How close to acceptance a refused path came: a greater number is more telling. */
const RANK = { noIssuer: 0, notSigned: 1, tooLong: 2, tooWeak: 3, wholePath: 4 } as const;

class PathSearch {
  readonly #options: PathOptions;
  readonly #budget = new PathBudget();
  readonly #verdicts = new Map<string, boolean>();
  #best: { readonly rank: number; readonly evaluation: Refused } | undefined;

  constructor(options: PathOptions) {
    this.#options = options;
  }

  mostTelling(endEntity: Certificate): Refused {
    return this.#best?.evaluation ?? untrusted(endEntity);
  }

  /** The first path that continues this one up to an anchor and passes every rule. */
  extend(path: readonly Certificate[]): PathEvaluation | undefined {
    const child = path.at(-1);
    if (child === undefined) return undefined;
    const candidates = this.#candidatesFor(child, path);
    if (candidates.length > 0 && path.length >= MAX_CERTIFICATES) {
      const details = { limit: 'certificates', maximum: MAX_CERTIFICATES };
      const refusal = new OpenBankingError('ERR_CERT_PATH_BUDGET', details);
      this.#note(RANK.tooLong, refused(BUDGET_RULE, child, refusal));
      return undefined;
    }
    let isSigned = false;
    for (const issuer of candidates) {
      if (!this.#isSignedBy(child, issuer, path.length > 1)) continue;
      isSigned = true;
      const whole = [...path, issuer];
      const found = this.#options.anchors.includes(issuer) ? this.#applyRules(whole) : this.extend(whole);
      if (found !== undefined) return found;
    }
    if (!isSigned) this.#noteUnsigned(child, candidates);
    return undefined;
  }

  /** Certificates with the wanted name whose name and key are not in the path yet, most promising first. */
  #candidatesFor(child: Certificate, path: readonly Certificate[]): Certificate[] {
    const { anchors, intermediates, policy } = this.#options;
    // RFC 5280 §4.2.1.1 obliges issuers to name their own key; §6.1 alone does not check it.
    const leastMatch = policy.issuance === 'path' ? 0 : 1;
    const isNew = (candidate: Certificate): boolean =>
      namesEqual(candidate.subject, child.issuer) &&
      keyMatch(child, candidate) >= leastMatch &&
      !path.some((one) => isSameEntity(one, candidate));
    const trusted = anchors.filter(isNew);
    const others = intermediates.filter(isNew);
    const known = new Set(trusted.map(({ thumbprint }) => thumbprint));
    const all = [...trusted, ...others.filter(({ thumbprint }) => !known.has(thumbprint))];
    if (all.length < 2) return all;
    return all
      .map((candidate) => ({ candidate, promise: this.#promiseOf(candidate, child) }))
      .sort((a, b) => b.promise - a.promise)
      .map(({ candidate }) => candidate);
  }

  #promiseOf(candidate: Certificate, child: Certificate): number {
    const { anchors, at } = this.#options;
    const isCurrent = candidate.notBefore <= at && at <= candidate.notAfter;
    return keyMatch(child, candidate) * 4 + (anchors.includes(candidate) ? 2 : 0) + (isCurrent ? 1 : 0);
  }

  /** A weak key or algorithm proves nothing, so it is noted and not even tried. */
  #isSignedBy(child: Certificate, issuer: Certificate, isChildCa: boolean): boolean {
    this.#budget.spend('candidates');
    const { scheme, name, isWeak } = child.signatureAlgorithm;
    if (scheme === undefined) {
      const code = isWeak ? 'ERR_CERT_WEAK_SIGNATURE' : 'ERR_CERT_SIGNATURE_UNSUPPORTED';
      const refusal = new OpenBankingError(code, { subject: shownName(child.subject), algorithm: name });
      this.#note(RANK.tooWeak, refused(SIGNATURE_RULE, child, refusal));
      return false;
    }
    const refusal = findKeyRefusal(issuer);
    if (refusal !== undefined) {
      this.#note(RANK.tooWeak, refused(SIGNATURE_RULE, issuer, refusal));
      return false;
    }
    const pair = `${child.thumbprint} ${issuer.thumbprint}`;
    const known = this.#verdicts.get(pair);
    if (known !== undefined) return known;
    this.#budget.spend('signatures');
    const isSigned = isChildCa ? isCaSignedBy(child, issuer) : isSignedBy(child, issuer.publicKey);
    this.#verdicts.set(pair, isSigned);
    return isSigned;
  }

  /** Applies the rules from the anchor down to the end entity. */
  #applyRules(path: readonly Certificate[]): PathEvaluation | undefined {
    this.#budget.spend('paths');
    const { at, policy } = this.#options;
    const state = new PathState(path.length - 1, { at, policy, budget: this.#budget });
    const { steps } = state;
    for (const [index, certificate] of [...path.entries()].reverse()) {
      const position = positionOf(index, path.length);
      if (position !== 'anchor') steps.push({ ...SIGNATURE_RULE, certificate });
      const refusal = applyTo(certificate, position, state);
      if (refusal === undefined) continue;
      this.#note(RANK.wholePath, { refusal, steps });
      return undefined;
    }
    return { path: new VerifiedPath(SEAL, path, state.validPolicies), steps };
  }

  /** A signature is called wrong only when the key is the one that the certificate names, or no key is named. */
  #noteUnsigned(child: Certificate, candidates: readonly Certificate[]): void {
    const issuer = candidates.find((candidate) => keyMatch(child, candidate) > 0);
    if (issuer === undefined || isSelfIssued(child)) {
      this.#note(RANK.noIssuer, untrusted(child));
      return;
    }
    const details = { subject: shownName(child.subject), issuer: shownName(issuer.subject) };
    const refusal = new OpenBankingError('ERR_CERT_SIGNATURE_INVALID', details);
    this.#note(RANK.notSigned, refused(SIGNATURE_RULE, child, refusal));
  }

  #note(rank: number, evaluation: Refused): void {
    if (this.#best === undefined || rank > this.#best.rank) this.#best = { rank, evaluation };
  }
}

function applyTo(
  certificate: Certificate,
  position: Position,
  state: PathState,
): OpenBankingError | undefined {
  for (const { name: rule, clause, positions, check } of PATH_RULES) {
    if (positions?.includes(position) === false) continue;
    try {
      check(certificate, state, position);
      state.steps.push({ rule, clause, certificate });
    } catch (error) {
      if (!isRefusal(error) || error.code === 'ERR_CERT_PATH_BUDGET') throw error;
      state.steps.push({ rule, clause, certificate, refusal: error });
      return error;
    }
  }
  return undefined;
}

function positionOf(index: number, length: number): Position {
  if (index === 0) return 'end entity';
  return index === length - 1 ? 'anchor' : 'CA';
}

/** 2: the key identifiers agree; 1: one is missing; 0: they differ (RFC 5280 §4.2.1.1, a hint and no proof). */
function keyMatch(child: Certificate, issuer: Certificate): 0 | 1 | 2 {
  const wanted = child.authorityKeyIdentifier?.keyIdentifier;
  const found = issuer.subjectKeyIdentifier;
  if (wanted === undefined || found === undefined) return 1;
  return wanted.equals(found) ? 2 : 0;
}

function isSameEntity(a: Certificate, b: Certificate): boolean {
  return a.publicKeyInfo.equals(b.publicKeyInfo) && namesEqual(a.subject, b.subject);
}

function refused(rule: Rule, certificate: Certificate, refusal: OpenBankingError): Refused {
  return { refusal, steps: [{ ...rule, certificate, refusal }] };
}

function untrusted(certificate: Certificate): Refused {
  const details = { subject: shownName(certificate.subject), issuer: shownName(certificate.issuer) };
  return refused(ISSUER_RULE, certificate, new OpenBankingError('ERR_CERT_UNTRUSTED', details));
}
