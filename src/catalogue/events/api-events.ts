import { counted, error, info, warn } from '../../event-levels.ts';

const API_REFUSED = [
  'interactionId',
  'address',
  'method',
  'route',
  'status',
  'certificate',
  'error',
] as const;

const apiRefusals = counted('tallystick_api_refusals_total', 'error');
const faults = counted('tallystick_faults_total');

/** The events of an API: resource-server/. */
export const API_EVENTS = {
  'rs.token.refused': warn('an API refused an access token', API_REFUSED, apiRefusals),
  'rs.scope.refused': warn('an API refused a token for its scope or role', API_REFUSED, apiRefusals),
  'rs.authentication.refused': info(
    'an API asks for a newer or stronger authentication of the customer',
    API_REFUSED,
    apiRefusals,
  ),
  'rs.consent.refused': warn(
    'an API refused what the consent of the customer does not cover',
    [...API_REFUSED, 'clientId', 'consentId'],
    apiRefusals,
  ),
  'rs.signature.refused': warn(
    'an API refused the signature of a request',
    [...API_REFUSED, 'clientId'],
    apiRefusals,
  ),
  'rs.answer.unsigned': error(
    'an answer that must be signed could not be: the client got an error in its place',
    API_REFUSED,
    faults,
  ),
  'rs.unexpected': error('a fault of the program ended an API request', API_REFUSED, faults),
};
