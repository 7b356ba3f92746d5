/** Of tokens for the grant management endpoint (Grant Management for OAuth 2.0 §6.1), which clients get for themselves only. */
export const QUERY_SCOPE = 'grant_management_query';
export const REVOKE_SCOPE = 'grant_management_revoke';
export const GRANT_MANAGEMENT_SCOPES: readonly string[] = Object.freeze([QUERY_SCOPE, REVOKE_SCOPE]);
