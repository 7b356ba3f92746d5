/**
 * The refinement of an issuer identifier. Issuers are compared to the letter (RFC 8414 §3.3, RFC 9068 §4); those of this
 * server have no slash at the end, and a gateway that expects one would refuse every token.
 */
export const WITHOUT_SLASH = [
  (text: string) => !text.endsWith('/'),
  { error: 'must not end with a slash: issuers are compared to the letter' },
] as const;
