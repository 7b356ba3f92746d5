import { unavailable } from '../../error-classes.ts';

/** The refusals of the audit record: audit/. */
export const AUDIT_REFUSALS = {
  ERR_AUDIT_UNAVAILABLE: unavailable<Record<never, never>>(
    'the audit record cannot be written at present, and nothing is granted without its line: try again',
  ),
};
