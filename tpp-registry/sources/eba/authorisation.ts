import type { PspRole } from '../../record.ts';
import type { EbaEntity } from './entity.ts';

const ROLE_OF: Readonly<Record<string, PspRole>> = { PS_070: 'PSP_PI', PS_080: 'PSP_AI', PS_05A: 'PSP_IC' };

/** The status of an entity at an instant, and until when it is certain. */
export interface Authorisation {
  readonly isActive: boolean;
  /** Since when; the epoch where the register does not say. */
  readonly since: Date;
  /** The next change that the register announces. */
  readonly until: Date | undefined;
  readonly reason?: string;
}

/**
 * Odd days of ENT_AUT authorise, even ones withdraw: an entity is active in half-open intervals from one to the next
 * (EBA JSON data specification). Days begin at midnight UTC.
 */
export function authorisationAt({ days }: Pick<EbaEntity, 'days'>, at: Date): Authorisation {
  const epoch = new Date(0);
  if (days === undefined) {
    return {
      isActive: false,
      since: epoch,
      until: undefined,
      reason: 'the register has no days of authorisation in order',
    };
  }
  const instants = days.map((day) => new Date(`${day}T00:00:00Z`));
  const passed = instants.filter((instant) => instant.getTime() <= at.getTime()).length;
  const since = instants[passed - 1] ?? epoch;
  const until = instants[passed];
  const isActive = passed % 2 === 1;
  if (isActive) return { isActive, since, until };
  const reason = passed === 0 ? `is authorised from ${days[0]} on` : `was withdrawn on ${days[passed - 1]}`;
  return { isActive, since, until, reason };
}

/** The roles of an entity in a country. Of PSD_ENL none: national law, without a service of PSD2. */
export function rolesIn({ type, services }: EbaEntity, country: string): PspRole[] {
  if (type === 'PSD_ENL') return [];
  const roles = (services[country] ?? []).flatMap((code) => ROLE_OF[code] ?? []);
  // PSD2 article 33: nothing but account information.
  return type === 'PSD_AISP' ? roles.filter((role) => role === 'PSP_AI') : roles;
}
