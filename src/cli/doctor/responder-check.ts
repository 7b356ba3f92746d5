import type { Config } from '../../configuration/config.ts';
import { proxyOf } from '../../configuration/outbound-schema.ts';
import { isListed } from '../../remote/document-source.ts';
import { type Certificate, readableCertificates } from '../../x509/certificate/certificate.ts';
import { namedCrlUrls, namedOcspUrls } from '../../x509/revocation/revocation-pointers.ts';
import { readCertificates } from '../certificate/certificate-input.ts';
import { ADDRESS_ADVICE, checkAddress } from './address-checks.ts';
import type { Check, Findings } from './findings.ts';

/** Addresses that are asked; a file of CAs of all countries names more. */
const MAX_ADDRESSES = 40;

/**
 * Reaches the responders and lists that the configuration names, that the CAs of its files name, and that certificates
 * of TPPs name.
 */
export function responderCheck(config: Config, certificates: readonly string[]): Check {
  return {
    name: 'responders',
    advice: ADDRESS_ADVICE,
    run: async (findings) => {
      // The checks of the files themselves report what is wrong with them.
      const own = await Promise.all(filesOf(config).map((file) => namedBy(file).catch(() => [])));
      const given = await Promise.all(certificates.map(namedBy));
      const urls = [...new Set([...configured(config), ...own.flat(), ...given.flat()])];
      const asked = urls.slice(0, MAX_ADDRESSES);
      if (urls.length > asked.length) findings.ok(`${asked.length} of ${urls.length} addresses are asked`);
      await Promise.all(asked.map((url) => checkResponder(url, config, findings)));
    },
  };
}

async function checkResponder(url: string, config: Config, findings: Findings): Promise<void> {
  const { trust, revocation, outbound } = config;
  const isAllowed = trust.some(({ revocation: { hosts } }) => hosts === undefined || isListed(url, hosts));
  if (!isAllowed) {
    findings.problem(`${url} is of a host that trust[].revocation.hosts does not list`, 'list the host');
    return;
  }
  const allowPrivateAddresses = isListed(url, revocation.privateHosts);
  await checkAddress({ url, guard: { proxy: proxyOf(outbound), allowPrivateAddresses } }, findings);
}

function configured({ trust }: Config): readonly string[] {
  const issuers = trust.flatMap(({ revocation }) => revocation.issuers);
  return issuers.flatMap(({ ocspUrls = [], crlUrls = [] }) => [...ocspUrls, ...crlUrls]);
}

/** The files with certificates whose status is asked for. */
function filesOf({ trust, tls }: Config): readonly string[] {
  const intermediates = trust.flatMap(({ revocation, intermediatesFile }) =>
    revocation.mode === 'none' || intermediatesFile === undefined ? [] : [intermediatesFile],
  );
  const own = tls.ocspStapling ? [tls, ...(tls.second === undefined ? [] : [tls.second])] : [];
  return [...intermediates, ...own.map(({ certificateFile }) => certificateFile)];
}

/** @throws ERR_CONFIG_INVALID for a file without a certificate */
async function namedBy(file: string): Promise<readonly string[]> {
  const inputs = await readCertificates(file);
  const found = readableCertificates(inputs.flatMap((input) => ('der' in input ? [input.der] : [])));
  return found.flatMap((certificate: Certificate) => [
    ...namedOcspUrls(certificate),
    ...namedCrlUrls(certificate),
  ]);
}
