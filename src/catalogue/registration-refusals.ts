import { client } from '../error-classes.ts';

/** The refusals of registrations by TPPs: authorization-server/registration/. */
export const REGISTRATION_REFUSALS = {
  ERR_REGISTRATION_METADATA: client<{ member: string; problem: string }>(
    'a member of the registration cannot be accepted (RFC 7591 section 3.2.2)',
  ),
};
