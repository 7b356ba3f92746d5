import type { DataCluster } from './data-clusters.ts';
import type { Fact } from './facts.ts';
import type { PaymentFocus, PaymentKind } from './payment-part.ts';

export type PartKind = 'accounts' | PaymentKind | 'funds' | 'identity' | 'other';

/** One of the things that a request asks for. */
export interface ConsentPart {
  readonly kind: PartKind;
  readonly title: string;
  /** A sentence about it. */
  readonly text?: string | undefined;
  /** Amount and payee of a payment: the largest text of the page. */
  readonly payment?: PaymentFocus | undefined;
  /** Labels and values, in their order. */
  readonly facts: readonly Fact[];
  /** Data in plain words; each can be opened to its permissions. */
  readonly clusters: readonly DataCluster[];
}
