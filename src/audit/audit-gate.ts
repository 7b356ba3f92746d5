/** The rule that no answer which moves money leaves without its line in the audit record. */
export interface AuditGate {
  /**
   * Called before a request is worked on.
   *
   * @throws ERR_AUDIT_UNAVAILABLE while the record cannot be written
   */
  assertAvailable(): void;
  /**
   * Resolves when every line so far is durable. Called before an answer leaves.
   *
   * @throws ERR_AUDIT_UNAVAILABLE
   */
  durable(): Promise<void>;
}

/** The gate of a server without an audit record. */
export const OPEN_GATE: AuditGate = Object.freeze({ assertAvailable: () => {}, durable: async () => {} });
