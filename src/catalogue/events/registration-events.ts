import { counted, recorded, warn, info } from '../../event-levels.ts';

const CLIENT = ['requestId', 'clientId', 'authorizationNumber', 'certificate', 'outcome'] as const;

/** The events of registrations by TPPs. `outcome` is the statement profile, or the status of the client. */
export const REGISTRATION_EVENTS = {
  'registration.created': info(
    'a TPP has registered a client by itself (`outcome`: statement profile)',
    CLIENT,
    {
      ...counted('tallystick_registrations_total'),
      ...recorded,
    },
  ),
  'registration.changed': info('a TPP has changed the registration of its client', CLIENT, recorded),
  'registration.deleted': info(
    'a TPP has deleted its client, with every grant, token and consent',
    CLIENT,
    recorded,
  ),
  'registration.awaiting': warn(
    'a client that a TPP has registered waits for the approval of the bank',
    CLIENT,
  ),
  'client.keys.not-renewed': warn(
    'the keys of a client cannot be read at its `jwks_uri`; the last good ones stay for a while',
    ['url', 'error'],
  ),
  'client.first_sight': info(
    'a client was made of certificate and register at the first request of its TPP',
    ['requestId', 'clientId', 'authorizationNumber', 'certificate'],
    recorded,
  ),
  'tpp.self_checked': info(
    'the holder of a certificate has asked what this server makes of it (`outcome`: accepted, or the code of the refusal)',
    ['requestId', 'authorizationNumber', 'certificate', 'outcome'],
  ),
  'client.status': info(
    'the bank has given a client of the store another status (`outcome`); of `tallystick client`: user and host (`caller`)',
    ['clientId', 'authorizationNumber', 'outcome', 'caller'],
    recorded,
  ),
  'clients.end.unfinished': warn('the end of a client broke off: it is repeated at the next start', [
    'clientId',
    'caller',
    'error',
  ]),
};
