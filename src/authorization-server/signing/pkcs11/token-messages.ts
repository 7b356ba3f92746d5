import type { JWK } from 'jose';

export type TokenAlgorithm = 'ES256' | 'PS256';

/** How a token is found and entered. */
export interface TokenSettings {
  readonly moduleFile: string;
  readonly tokenLabel?: string | undefined;
  readonly slot?: number | undefined;
  readonly pinFile: string;
  readonly sessions: number;
}

/** A key pair of the token: its public part, and a name by which the process of the token finds the private one. */
export interface TokenKey {
  readonly reference: string;
  readonly label: string;
  readonly alg: TokenAlgorithm;
  readonly jwk: JWK;
}

/** A key of the token that is left out. */
export interface UnfitKey {
  readonly label: string;
  readonly problem: string;
}

export interface TokenKeys {
  readonly keys: readonly TokenKey[];
  readonly unfit: readonly UnfitKey[];
}

export type TokenRequest =
  /** Lists the keys whose labels begin so. */
  | { readonly list: string }
  | { readonly sign: string; readonly alg: TokenAlgorithm; readonly digest: Uint8Array }
  | { readonly generate: string; readonly alg: TokenAlgorithm }
  | { readonly destroy: string };

export type ToToken =
  | { readonly open: TokenSettings }
  | { readonly id: number; readonly request: TokenRequest };

export type FromToken =
  | { readonly state: 'opened' }
  /** A wrong PIN locks a token after some tries, so that it is not tried again. */
  | { readonly state: 'refused'; readonly problem: string; readonly isPin: boolean }
  | { readonly id: number; readonly value: unknown }
  /** After a fault of the session or device, the process must be replaced. */
  | { readonly id: number; readonly problem: string; readonly isLost: boolean };
