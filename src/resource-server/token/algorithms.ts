/** FAPI 2.0 §5.4.1. An allow-list: the header of a token chooses among these, not beyond. */
export const ALGORITHMS: readonly string[] = Object.freeze(['ES256', 'PS256', 'EdDSA', 'Ed25519']);
