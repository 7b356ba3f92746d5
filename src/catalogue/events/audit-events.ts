import { audited, counted, debug, error, info, recorded, warn } from '../../event-levels.ts';

/** The events of the audit record. */
export const AUDIT_EVENTS = {
  'audit.unavailable': error(
    'the audit record cannot be written: requests that need their line get 503 until it can',
    ['error'],
    { ...counted('tallystick_audit_write_failures_total'), ...audited },
  ),
  'audit.available': info(
    'the audit record can be written again, for the first time since `since`',
    ['since'],
    audited,
  ),
  'audit.gap': error(
    'the audit record could not be written: `count` lines since `since` are missing in it',
    ['count', 'since'],
    recorded,
  ),
  'audit.summed': warn(
    'within a second, `count` more events of this `kind` came from busy sources, and have no line in the audit record',
    ['kind', 'count'],
    recorded,
  ),
  'audit.withheld': warn(
    'the answer to a request was withheld, because its line in the audit record was not durable in time',
    [
      'requestId',
      'listener',
      'method',
      'route',
      'status',
      'clientId',
      'authorizationNumber',
      'certificate',
      'error',
    ],
    recorded,
  ),
  'audit.chain.completed': warn(
    'a process had ended without an end of its chain (`outcome`) in the audit record: another one wrote the end; `count` octets of a torn line are in it',
    ['outcome', 'count'],
    recorded,
  ),
  'audit.chain.unfinished': warn('the end of the chain of another process cannot be written', ['error']),
  'audit.checkpoint.written': debug(
    'a signed checkpoint of the audit record is in the store',
    ['count'],
    counted('tallystick_audit_checkpoints_total'),
  ),
  'audit.checkpoint.failed': warn(
    'a checkpoint of the audit record cannot be written or stored: the next is tried within a minute',
    ['error'],
    counted('tallystick_audit_checkpoint_failures_total'),
  ),
  'tpp.decision.changed': info(
    'the decision about a certificate (`outcome`: accepted, or the code of the refusal) is the first, or another one than before',
    ['authorizationNumber', 'fingerprint', 'outcome', 'steps'],
    recorded,
  ),
  'tpp.decision.unexplained': warn(
    'the decision about a certificate could not be made again for the audit record',
    ['fingerprint', 'error'],
    audited,
  ),
  'audit.certificate.unkept': warn(
    'a certificate cannot be kept beside the audit record',
    ['certificate', 'error'],
    audited,
  ),
};
