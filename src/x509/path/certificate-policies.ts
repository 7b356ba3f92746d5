import { OpenBankingError } from '../../errors.ts';
import type { Certificate } from '../certificate/certificate.ts';
import { shownName } from '../certificate/distinguished-name.ts';

const ANY_POLICY = '2.5.29.32.0';

/** The inputs of RFC 5280 §6.1.1 (c) and (e) to (g). */
export interface PolicyInputs {
  /** Policies that the caller accepts; absent: any. */
  readonly acceptedPolicies?: readonly string[];
  /** A valid policy must be left at the end of the path. */
  readonly requireExplicitPolicy?: boolean;
  readonly inhibitPolicyMapping?: boolean;
  readonly inhibitAnyPolicy?: boolean;
}

/** A policy at one depth of the path: `expected` holds its names in the next certificate. */
interface Node {
  readonly policy: string;
  readonly expected: ReadonlySet<string>;
  readonly parents: readonly Node[];
}

/**
 * The policies of a path, kept as a graph with one node for each policy and depth: its size is bounded by that of the
 * certificates, where the tree of RFC 5280 grows exponentially.
 *
 * @see RFC 9618 §5, RFC 5280 §6.1.2 to §6.1.5
 */
export class PolicyGraph {
  /** The deepest nodes, by policy; empty once no policy is valid. The nodes above are their parents. */
  #nodes: ReadonlyMap<string, Node> = byPolicy([createNode(ANY_POLICY, [])]);
  #explicitPolicy: number;
  #policyMapping: number;
  #anyPolicy: number;
  #accepted: readonly string[] | undefined;

  /** `length`: how many certificates are below the anchor. */
  constructor(length: number, inputs: PolicyInputs) {
    this.#explicitPolicy = inputs.requireExplicitPolicy === true ? 0 : length + 1;
    this.#policyMapping = inputs.inhibitPolicyMapping === true ? 0 : length + 1;
    this.#anyPolicy = inputs.inhibitAnyPolicy === true ? 0 : length + 1;
    this.#accepted = inputs.acceptedPolicies;
  }

  /** Applies the constraints of an anchor to the inputs: its policies are the only ones of its paths (RFC 5937 §3.2). */
  begin(anchor: Certificate): void {
    this.#constrain(anchor);
    const own = anchor.certificatePolicies;
    if (own === undefined || own.includes(ANY_POLICY)) return;
    this.#accepted = this.#accepted?.filter((policy) => own.includes(policy)) ?? own;
  }

  #constrain({ policyConstraints = {}, inhibitAnyPolicy = Infinity }: Certificate): void {
    const { requireExplicitPolicy = Infinity, inhibitPolicyMapping = Infinity } = policyConstraints;
    this.#explicitPolicy = Math.min(this.#explicitPolicy, requireExplicitPolicy);
    this.#policyMapping = Math.min(this.#policyMapping, inhibitPolicyMapping);
    this.#anyPolicy = Math.min(this.#anyPolicy, inhibitAnyPolicy);
  }

  /**
   * Adds a CA below the anchor.
   *
   * @throws ERR_CERT_POLICY
   */
  addAuthority(authority: Certificate, isSelfIssued: boolean): void {
    this.#add(authority, isSelfIssued);
    this.#map(authority);
    if (!isSelfIssued) {
      this.#explicitPolicy = Math.max(0, this.#explicitPolicy - 1);
      this.#policyMapping = Math.max(0, this.#policyMapping - 1);
      this.#anyPolicy = Math.max(0, this.#anyPolicy - 1);
    }
    this.#constrain(authority);
  }

  /**
   * Adds the end entity and returns the policies under which the path is valid for the caller.
   *
   * @throws ERR_CERT_POLICY
   */
  addEndEntity(certificate: Certificate): readonly string[] {
    this.#add(certificate, false);
    const isDemanded =
      this.#explicitPolicy <= 1 || certificate.policyConstraints?.requireExplicitPolicy === 0;
    const policies = this.#validPolicies();
    if (isDemanded && policies.length === 0)
      throw refusal(certificate, 'no accepted policy is valid for the path');
    return policies;
  }

  /** §6.1.3 (d) to (f). */
  #add(certificate: Certificate, mayAlwaysUseAny: boolean): void {
    const stated = new Set(certificate.certificatePolicies);
    const expecting = this.#expecting();
    const nodes: Node[] = [];
    for (const policy of stated) {
      const parents = expecting.get(policy) ?? expecting.get(ANY_POLICY);
      if (policy !== ANY_POLICY && parents !== undefined) nodes.push(createNode(policy, parents));
    }
    if (stated.has(ANY_POLICY) && (this.#anyPolicy > 0 || mayAlwaysUseAny)) {
      for (const [policy, parents] of expecting) {
        if (policy === ANY_POLICY || !stated.has(policy)) nodes.push(createNode(policy, parents));
      }
    }
    this.#nodes = byPolicy(nodes);
    if (this.#explicitPolicy === 0 && nodes.length === 0)
      throw refusal(certificate, 'no policy is valid here');
  }

  /** §6.1.4 (a) and (b). */
  #map(authority: Certificate): void {
    const mappings = new Map<string, Set<string>>();
    for (const { issuer, subject } of authority.policyMappings ?? []) {
      if (issuer === ANY_POLICY || subject === ANY_POLICY) throw refusal(authority, 'anyPolicy is mapped');
      mappings.set(issuer, (mappings.get(issuer) ?? new Set()).add(subject));
    }
    const nodes = new Map(this.#nodes);
    const any = nodes.get(ANY_POLICY);
    for (const [policy, expected] of mappings) {
      const parents = nodes.get(policy)?.parents ?? any?.parents;
      if (this.#policyMapping === 0) nodes.delete(policy);
      else if (parents !== undefined) nodes.set(policy, { policy, expected, parents });
    }
    this.#nodes = nodes;
  }

  #expecting(): ReadonlyMap<string, Node[]> {
    const expecting = new Map<string, Node[]>();
    for (const node of this.#nodes.values()) {
      for (const policy of node.expected) {
        const parents = expecting.get(policy);
        if (parents === undefined) expecting.set(policy, [node]);
        else parents.push(node);
      }
    }
    return expecting;
  }

  /** §6.1.5 (g): the names that policies had when they first left anyPolicy, in the words of the anchor's domain. */
  #validPolicies(): readonly string[] {
    const roots = new Set<string>(this.#nodes.has(ANY_POLICY) ? [ANY_POLICY] : []);
    const seen = new Set<Node>();
    const open = [...this.#nodes.values()];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (seen.has(node)) continue;
      seen.add(node);
      const [parent] = node.parents;
      if (node.policy !== ANY_POLICY && parent?.policy === ANY_POLICY) roots.add(node.policy);
      open.push(...node.parents);
    }
    if (this.#accepted === undefined) return [...roots];
    return this.#accepted.filter((policy) => roots.has(policy) || roots.has(ANY_POLICY));
  }
}

function createNode(policy: string, parents: readonly Node[]): Node {
  return { policy, expected: new Set([policy]), parents };
}

function byPolicy(nodes: readonly Node[]): ReadonlyMap<string, Node> {
  return new Map(nodes.map((node) => [node.policy, node]));
}

function refusal(certificate: Certificate, problem: string): OpenBankingError {
  return new OpenBankingError('ERR_CERT_POLICY', { subject: shownName(certificate.subject), problem });
}
