import type { IncomingMessage } from 'node:http';
import { isDerSequence } from './der-form.ts';
import { assertNothingForwarded, findOneField } from './forwarded-fields.ts';
import {
  type ClientCertificate,
  malformedHeader,
  parsePresentedCertificate,
} from './presented-certificate.ts';
import { PROXY_FORMATS, type ProxyFormat, type ProxyFormatName } from './proxy-formats.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

export interface ProxyHeaderOptions {
  /** How the proxy writes the certificate. */
  readonly format: ProxyFormatName;
  /** Name of the field, where it is not the usual one of the format. */
  readonly header?: string | undefined;
  /** Addresses and CIDR ranges from which the proxies connect. */
  readonly trustedProxies: readonly string[];
  /**
   * SHA-256 thumbprints (hexadecimal) of the certificates that the proxies present to us, on a listener that asks
   * for them. Recommended wherever another host can reach this port.
   */
  readonly proxyCertificates?: readonly string[] | undefined;
}

const MAX_INTERMEDIATES = 8;
/** Certificates that are remembered by the text of their field: a bank has a few hundred TPPs. */
const MAX_REMEMBERED = 1000;
const FIELD_NAME = /^[A-Za-z0-9-]+$/;
const NONE: ClientCertificate = Object.freeze({ certificate: undefined, intermediates: Object.freeze([]) });

/**
 * Reads the certificate that a trusted proxy forwards. No field means no certificate: the certificate that the
 * proxy itself presents never counts as the client's. Fields with a verdict of the proxy are not read.
 *
 * @throws TypeError for options that cannot work
 */
export function proxyHeaderReader(
  options: ProxyHeaderOptions,
  proxies: TrustedProxies,
): (request: IncomingMessage) => ClientCertificate {
  const format: ProxyFormat = PROXY_FORMATS[options.format];
  if (format === undefined) throw new TypeError(`there is no proxy format ${String(options.format)}`);
  const header = (options.header ?? format.header).toLowerCase();
  if (!FIELD_NAME.test(header)) throw new TypeError('header must be letters, digits and hyphens');
  const own = format.chainHeader === undefined ? [header] : [header, format.chainHeader];
  const remembered = new Map<string, ClientCertificate>();

  return (request) => {
    if (!proxies.isTrusted(request.socket)) {
      assertNothingForwarded(request, own);
      return NONE;
    }
    const [leaf, chain = ''] = own.map((name) => findOneField(request.rawHeaders, name));
    // An empty value is nothing: proxies write one when there is no certificate.
    if (leaf === undefined || leaf === '' || leaf === format.absent) return NONE;
    const key = chain === '' ? leaf : `${leaf}\n${chain}`;
    const known = remembered.get(key);
    if (known !== undefined) return known;
    const parsed = parseForwarded(format, leaf, chain);
    const oldest = remembered.keys().next().value;
    if (remembered.size >= MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
    remembered.set(key, parsed);
    return parsed;
  };
}

function parseForwarded(format: ProxyFormat, leafField: string, chainField: string): ClientCertificate {
  const [leaf, ...following] = format.parse(leafField);
  if (leaf === undefined) throw malformedHeader('there is no certificate');
  const others = chainField === '' ? [] : (format.parseChain?.(chainField) ?? []);
  const intermediates = [...following, ...others];
  if (intermediates.length > MAX_INTERMEDIATES) throw malformedHeader('there are too many certificates');
  if (!intermediates.every(isDerSequence)) throw malformedHeader('an intermediate is not one DER structure');
  return Object.freeze({
    certificate: parsePresentedCertificate(leaf),
    intermediates: Object.freeze(intermediates),
  });
}
