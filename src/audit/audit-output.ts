/** Lines that are written together, each with its line break. */
export interface AuditBatch {
  readonly text: string;
  /** The sequence number of the last line. */
  readonly last: number;
}

/** Where the lines of one process go. */
export interface AuditOutput {
  /**
   * Writes a batch behind those before. When the promise resolves, every line is durable. A batch that was rejected is
   * passed again, the same, and the output holds each line once all the same. One call at a time.
   */
  append(batch: AuditBatch): Promise<void>;
  /** Shows other processes that this one lives. Called once a minute. */
  showLife(): Promise<void>;
  /** Keeps a certificate under the hexadecimal SHA-256 of its DER, once. */
  keepCertificate(fingerprint: string, pem: string): Promise<void>;
  close(): Promise<void>;
}
