import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { proxyOf } from '../../configuration/outbound-schema.ts';
import type { Log } from '../../events.ts';
import { expectedPair } from '../../mutual-tls/key-pair.ts';
import type { ListenerCertificates } from './listener-certificates.ts';
import { OcspStaple } from './ocsp-staple.ts';

/** The OCSP answers that the listeners show. */
export interface OpenedStaple {
  /** As `staple` of a listener. */
  show(socket: TLSSocket | undefined): Buffer | undefined;
  close(): Promise<void>;
}

/** Opens the OCSP answers about the certificates of `tls`; undefined where the configuration shows none. */
export function openStaple(
  { tls, revocation, outbound }: Pick<Config, 'tls' | 'revocation' | 'outbound'>,
  certificates: ListenerCertificates,
  parts: { readonly clock: Clock; readonly log: Log },
): OpenedStaple | undefined {
  if (!tls.ocspStapling) return undefined;
  const staples = certificates.all.map((pair) => {
    const { certificateFile } = pair;
    const staple = new OcspStaple({ ...revocation, proxy: proxyOf(outbound), certificateFile, ...parts });
    const use = () => staple.use(pair.current);
    use();
    pair.follow(use);
    return staple;
  });
  return {
    show: (socket) => {
      const expected = expectedPair(certificates.current, socket)?.certificateDer;
      if (expected === undefined) return undefined;
      return staples.map((staple) => staple.answerFor(expected)).find((answer) => answer !== undefined);
    },
    close: async () => {
      await Promise.all(staples.map((staple) => staple.close()));
    },
  };
}
