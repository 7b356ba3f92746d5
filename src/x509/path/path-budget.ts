import { OpenBankingError } from '../../errors.ts';

/** The limits of work for one decision. A usual one needs three signatures and a few dozen comparisons. */
const LIMITS = Object.freeze({
  /** The slowest accepted key (P-521) takes a millisecond for one: 40 ms in all. */
  signatures: 40,
  /** Issuers that are tried, including those with a cached signature: the bound for a graph of cross-signing. */
  candidates: 200,
  /** Complete paths to which all rules are applied. */
  paths: 20,
  /** Names against name constraints; Go's crypto/x509 allows as many. */
  comparisons: 250_000,
});

export type Limit = keyof typeof LIMITS;

/** The work that is left for one decision, over all the paths that it tries. */
export class PathBudget {
  readonly #left: Record<Limit, number> = { ...LIMITS };

  /** @throws ERR_CERT_PATH_BUDGET */
  spend(limit: Limit): void {
    this.#left[limit] -= 1;
    if (this.#left[limit] < 0) {
      throw new OpenBankingError('ERR_CERT_PATH_BUDGET', { limit, maximum: LIMITS[limit] });
    }
  }
}
