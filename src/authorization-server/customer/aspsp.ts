/**
 * The bank behind the authorization server (PSD2: account servicing payment service provider). A bank plugs in
 * its login and its core systems by implementing this; everything else is ours.
 */
export interface Aspsp {
  /** The bank's name, as its customers know it. */
  readonly name: string;

  /**
   * Checks what the customer typed. Answers undefined for wrong credentials, and takes as long for an unknown
   * name as for a wrong password. Throws when it cannot tell.
   */
  authenticatePsu(credentials: {
    readonly username: string;
    readonly password: string;
  }): Promise<Psu | undefined>;

  /** The accounts that the customer may choose from, for a request with these scopes. */
  listAccounts(psuId: string, scopes: readonly string[]): Promise<readonly AccountChoice[]>;
}

/** A customer (PSD2: payment service user). */
export interface Psu {
  /** Becomes the `sub` of tokens: stable, opaque, never a name or an account number. */
  readonly psuId: string;
}

export interface AccountChoice {
  readonly accountId: string;
  /** For the customer's eyes, such as "Current account". */
  readonly name: string;
  /** Already masked, such as "•••• 4321". */
  readonly identification: string;
}
