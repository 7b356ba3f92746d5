import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { proxyOf } from '../../configuration/outbound-schema.ts';
import type { Log } from '../../events.ts';
import type { FollowedKeyPair } from '../followed-key-pair.ts';
import { OcspStaple } from './ocsp-staple.ts';

/** The OCSP answer that the listeners show. */
export interface OpenedStaple {
  /** As `staple` of a listener. */
  show(certificateDer: Buffer): Buffer | undefined;
  close(): Promise<void>;
}

/** Opens the OCSP answer about the certificate of `tls`; undefined where the configuration shows none. */
export function openStaple(
  { tls, revocation, outbound }: Pick<Config, 'tls' | 'revocation' | 'outbound'>,
  keyPair: FollowedKeyPair,
  parts: { readonly clock: Clock; readonly log: Log },
): OpenedStaple | undefined {
  if (!tls.ocspStapling) return undefined;
  const { certificateFile } = tls;
  const staple = new OcspStaple({ ...revocation, proxy: proxyOf(outbound), certificateFile, ...parts });
  const use = () => staple.use(keyPair.current);
  use();
  keyPair.follow(use);
  return { show: (der) => staple.answerFor(der), close: () => staple.close() };
}
