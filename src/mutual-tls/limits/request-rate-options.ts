/** Requests in a minute, in each process. */
export interface RequestRateOptions {
  /** Of one TPP whose certificate has been accepted. */
  readonly perTpp: number;
  /** Of one address on the front channel (IPv6: of one /64). */
  readonly perAddress: number;
  /** Of one address on the mTLS listener that are refused before their TPP is known. */
  readonly refusedPerAddress: number;
  /** Addresses and CIDR ranges without limits by address. */
  readonly exemptAddresses: readonly string[];
}

/** Limits that a running server changes. */
export interface ChangeableRates {
  /** Replaces the limits. */
  change(options: RequestRateOptions): void;
}
