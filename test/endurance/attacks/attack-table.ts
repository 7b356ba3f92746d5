import type { Attack } from './attack.ts';
import { CONNECTION_ATTACKS } from './connection-attacks.ts';
import { FLOODS } from './floods.ts';
import { PROCESS_ATTACKS } from './process-attacks.ts';
import { REQUEST_ATTACKS } from './request-attacks.ts';

/** Every attack of `npm run test:endurance -- attacks`. A new one is an entry here. */
export const ATTACKS: readonly Attack[] = [
  ...CONNECTION_ATTACKS,
  ...REQUEST_ATTACKS,
  ...PROCESS_ATTACKS,
  ...FLOODS,
];
