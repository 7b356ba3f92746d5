import {
  parsePresentedCertificate,
  type PresentedCertificate,
} from '../../mutual-tls/presented-certificate.ts';
import { isRefusal } from '../../errors.ts';
import { KeysByAddress } from '../../authorization-server/clients/keys-by-address.ts';
import { openSelfSigned } from '../../authorization-server/clients/self-signed/self-signed-clients.ts';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { clientProfiles } from '../../configuration/profile-schema.ts';
import { clientKeysOptions } from '../../configuration/registration/client-keys-schema.ts';
import { silentLog } from '../../events.ts';
import { openClientUpkeep } from '../../server/client-upkeep.ts';
import type { TppEvaluation } from '../../tpp/authenticate.ts';
import type { AuthorisationStatus } from '../../tpp/authorisation-status.ts';

export interface SelfSignedQuestion {
  readonly der: Buffer;
  readonly authorisationStatus: AuthorisationStatus;
  readonly clock: Clock;
  readonly clientId: string | undefined;
}

/**
 * The decision about a self-signed certificate for a client of the files or of the store; undefined for every other certificate, and
 * where the bank accepts none that are self-signed. May read the keys of the client at their address.
 *
 * @throws ERR_CONFIG_INVALID, ERR_STORAGE_UNAVAILABLE
 */
export async function evaluateSelfSigned(
  config: Config,
  { der, authorisationStatus, clock, clientId }: SelfSignedQuestion,
): Promise<TppEvaluation | undefined> {
  const presented = presentedOf(der);
  if (config.selfSignedCertificates === 'refuse' || presented === undefined) return undefined;
  const log = silentLog;
  const keysByAddress = new KeysByAddress({
    ...clientKeysOptions(config.clientKeys, config.outbound),
    clock,
    log,
  });
  const { clients, files, close } = await openClientUpkeep(config, { clock, log });
  try {
    const find = async (id: string) => files.find(id) ?? clients.find(id);
    const parts = { authorisationStatus, clock, keysByAddress, clients: { find } };
    const opened = openSelfSigned({ ...parts, profiles: clientProfiles(config) }, async () => clientId);
    if (opened?.isMeant(presented) !== true) return undefined;
    return await opened.evaluate(presented, clientId);
  } finally {
    await Promise.all([keysByAddress.close(), close()]);
  }
}

/** Undefined for bytes that no connection presents. */
function presentedOf(der: Buffer): PresentedCertificate | undefined {
  try {
    return parsePresentedCertificate(der);
  } catch (error) {
    if (isRefusal(error, 'ERR_PROXY_HEADER')) return undefined;
    throw error;
  }
}
