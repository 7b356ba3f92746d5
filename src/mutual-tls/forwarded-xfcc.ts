import { createHash } from 'node:crypto';
import { parseEscapedPem } from './forwarded-pem.ts';
import { malformedHeader } from './presented-certificate.ts';

/** `Key=value` or `Key="value"`, and the delimiter after it. A quote inside quotes has a backslash before it. */
const PAIR = /([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;]*))([;,]|$)/y;
const ONCE = ['hash', 'cert', 'chain', 'subject'];
const REPEATED = ['by', 'uri', 'dns'];

/**
 * Envoy's `x-forwarded-client-cert` with `SANITIZE_SET`: one element, with the certificate.
 *
 *     By=spiffe://…;Hash=<64 hex>;Cert="-----BEGIN%20…";Subject="CN=…";URI=…
 *
 * Several elements are refused: the last is of the nearest peer, which may be another proxy, and the others came
 * from outside. Names in it are not read: Envoy does not quote URIs, so a certificate could write any pair there;
 * a second `Cert` or `Hash` is therefore refused too.
 *
 * @throws ERR_PROXY_HEADER
 */
export function parseXfcc(text: string): Buffer[] {
  const pairs = pairsOf(text);
  const { hash, cert, chain } = pairs;
  if (cert === undefined || hash === undefined) throw malformedHeader('the element has no Cert or no Hash');
  const [leaf, ...more] = parseEscapedPem(cert);
  if (leaf === undefined || more.length > 0) throw malformedHeader('Cert is not one certificate');
  if (createHash('sha256').update(leaf).digest('hex') !== hash.toLowerCase()) {
    throw malformedHeader('Hash is not of Cert');
  }
  const certificates = chain === undefined ? [leaf] : parseEscapedPem(chain);
  if (certificates[0]?.equals(leaf) !== true) throw malformedHeader('Chain does not begin with Cert');
  return certificates;
}

function pairsOf(text: string): Partial<Record<string, string>> {
  const pairs: Record<string, string> = {};
  let at = 0;
  while (at < text.length) {
    PAIR.lastIndex = at;
    const [, name, quoted, plain, end] = PAIR.exec(text) ?? [];
    const key = name?.toLowerCase();
    if (key === undefined) throw malformedHeader('the value is not a list of pairs');
    if (end === ',') throw malformedHeader('there is more than one element');
    const isKnown = ONCE.includes(key) || REPEATED.includes(key);
    if (!isKnown || (ONCE.includes(key) && key in pairs)) {
      throw malformedHeader('a key is unknown or comes twice');
    }
    pairs[key] = quoted ?? plain ?? '';
    at = PAIR.lastIndex;
    if (end === ';' && at === text.length) throw malformedHeader('a pair is missing at the end');
  }
  return pairs;
}
