import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/errors.ts';
import { readTrustedList } from '../../src/trusted-lists/list/trusted-list.ts';
import { verifySignedList } from '../../src/trusted-lists/signature/signed-list.ts';
import { issue, rsaKeys } from '../x509/certificate-factory.ts';
import { nationalList, operator, service } from './written-lists.ts';

const signer = operator('list operator');
const authority = issue('authority', 'qwac authority');
const list = nationalList(signer, { services: [service(authority)] }).toString('utf8');

function outcome(text: string, signers = [signer.der]): ErrorCode | 'verified' {
  try {
    verifySignedList(Buffer.from(text), { source: 'list', signers });
    return 'verified';
  } catch (error) {
    return (error as { code: ErrorCode }).code;
  }
}

const changed = (from: string | RegExp, to: string) => {
  const text = list.replace(from, to);
  if (text === list) throw new Error(`nothing to replace: ${from}`);
  return text;
};
const signatureOf = (text: string) => /<ds:Signature .*<\/ds:Signature>/s.exec(text)?.[0] ?? '';
const evil = list
  .replace(signatureOf(list), '')
  .replace(/<\?xml.*\?>\n/, '')
  .trim()
  .replaceAll('granted', 'evil');

describe('the signature of a trusted list', () => {
  it('verifies, and the content is what was signed', () => {
    const { services } = readTrustedList(Buffer.from(list), { source: 'list', signers: [signer.der] });
    expect(services.map(({ certificates }) => certificates)).toEqual([[authority.der]]);
  });

  it('verifies after a byte order mark, and with an RSA key of another tool too (xmlsec1, below)', () => {
    expect(outcome(`\uFEFF${list}`)).toBe('verified');
  });

  it('refuses a signer that is not named, also one with the same name or the same key', () => {
    const twin = issue('end entity', 'list operator', { keys: signer.keys });
    expect(outcome(list, [operator('list operator').der])).toBe('ERR_TRUSTED_LIST_SIGNER');
    expect(outcome(list, [twin.der])).toBe('ERR_TRUSTED_LIST_SIGNER');
    expect(outcome(list, [])).toBe('ERR_TRUSTED_LIST_SIGNER');
  });

  it('refuses KeyInfo that names an allowed signer of another key', () => {
    const other = operator('other');
    const forged = nationalList(other)
      .toString('utf8')
      .replaceAll(other.der.toString('base64'), signer.der.toString('base64'));
    expect(outcome(forged)).toBe('ERR_TRUSTED_LIST_SIGNATURE');
  });

  describe.each<[attack: string, text: string]>([
    ['a changed status', changed('Svcstatus/granted', 'Svcstatus/withdrawn')],
    ['an added purpose', changed('ForWebSiteAuthentication', 'ForeSeals')],
    ['no signature', changed(signatureOf(list), '')],
    ['two signatures', changed(signatureOf(list), signatureOf(list).repeat(2))],
    [
      'a second, empty signature',
      changed(
        '</TrustServiceStatusList>',
        '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/></TrustServiceStatusList>',
      ),
    ],
    ['the signature within an element', changed(signatureOf(list), `<x>${signatureOf(list)}</x>`)],
    [
      'wrapped: another root around the signed one',
      `${evil.replace('</TrustServiceStatusList>', '')}${list.replace(/<\?xml.*\?>\n/, '')}</TrustServiceStatusList>`,
    ],
    [
      'wrapped: the signed list in an Object of its signature',
      evil.replace(
        '</TrustServiceStatusList>',
        `${signatureOf(list).replace('</ds:Signature>', `<ds:Object>${list.replace(/<\?xml.*\?>\n/, '').replace(signatureOf(list), '')}</ds:Object></ds:Signature>`)}</TrustServiceStatusList>`,
      ),
    ],
    ['a reference to a part by its identifier', changed('<ds:Reference URI="">', '<ds:Reference URI="#x">')],
    ['no reference to the signed properties', changed(/<ds:Reference Type=.*?<\/ds:Reference>/s, '')],
    ['a third reference', changed('</ds:SignedInfo>', '<ds:Reference URI="#properties"/></ds:SignedInfo>')],
    [
      'an XPath transform',
      changed(
        '<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">',
        '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116">',
      ),
    ],
    [
      'a transform more',
      changed(
        '</ds:Transforms>',
        '<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:Transform></ds:Transforms>',
      ),
    ],
    [
      'InclusiveNamespaces in a transform',
      changed(
        'xml-exc-c14n#"></ds:Transform>',
        'xml-exc-c14n#"><e:InclusiveNamespaces xmlns:e="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="x"/></ds:Transform>',
      ),
    ],
    [
      'canonicalization with comments',
      changed(
        '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">',
        '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#WithComments">',
      ),
    ],
    ['an HMAC', changed('ecdsa-sha256"', 'hmac-sha256"')],
    ['SHA-1', changed('xmldsig-more#ecdsa-sha256', 'xmldsig-more#ecdsa-sha1')],
    ['a SHA-1 digest', changed('xmlenc#sha256', '2000/09/xmldsig#sha1')],
    ['another time of signature', changed(/<xades:SigningTime>\d{4}/, '<xades:SigningTime>2020')],
    [
      'a second element with the identifier of the signed properties',
      changed('<SchemeInformation>', '<SchemeInformation Id="properties">'),
    ],
    [
      'the identifier in other letters for its name',
      changed('<SchemeInformation>', '<SchemeInformation ID="properties">'),
    ],
    ['signed properties twice', changed(/(<xades:SignedProperties.*<\/xades:SignedProperties>)/s, '$1$1')],
    [
      'another certificate in the signed properties',
      changed(
        /(SigningCertificateV2>.*?DigestValue[^>]*>)[A-Za-z0-9+/=]+/s,
        `$1${Buffer.alloc(32).toString('base64')}`,
      ),
    ],
    ['a changed signature value', changed(/<ds:SignatureValue>..../, '<ds:SignatureValue>AAAA')],
    ['an empty signature value', changed(/<ds:SignatureValue>[^<]+/, '<ds:SignatureValue>')],
  ])('with %s', (_attack, text) => {
    it('is refused', () => expect(outcome(text)).toMatch(/^ERR_TRUSTED_LIST_(SIGNATURE|MALFORMED)$/));
  });

  it.each<[fault: string, text: string]>([
    [
      'a document type',
      changed('<TrustServiceStatusList', '<!DOCTYPE x [<!ENTITY a "b">]><TrustServiceStatusList'),
    ],
    ['an entity without one', changed('Test TSP', 'Test &nbsp; TSP')],
    ['an open element', changed('</SchemeInformation>', '')],
    ['text after the root', `${list}<x/>`],
    ['another root', '<x/>'],
    ['nothing', ''],
    [
      '200 levels',
      changed('</SchemeInformation>', `${'<x>'.repeat(200)}${'</x>'.repeat(200)}</SchemeInformation>`),
    ],
    [
      '100,000 levels',
      changed('</SchemeInformation>', `${'<x>'.repeat(1e5)}${'</x>'.repeat(1e5)}</SchemeInformation>`),
    ],
    ['an encoding that is not UTF-8', changed('encoding="UTF-8"', 'encoding="UTF-16"')],
    ['more than 8 MB', `${list}${' '.repeat(8 * 1024 * 1024)}`],
  ])('refuses a document with %s', (_fault, text) => {
    expect(outcome(text)).toBe('ERR_TRUSTED_LIST_MALFORMED');
  });

  it('reads a comment in a value as nothing: the value is the signed one', () => {
    const split = changed('Svcstatus/granted', 'Svcstatus/gran<!-- withdrawn -->ted');
    const { services } = readTrustedList(Buffer.from(split), { source: 'list', signers: [signer.der] });
    expect(services[0]?.states[0]?.status).toMatch(/granted$/);
  });

  it('never verifies with another content, whatever character is changed', () => {
    const content = JSON.stringify(
      readTrustedList(Buffer.from(list), { source: 'list', signers: [signer.der] }),
    );
    fc.assert(
      fc.property(fc.nat(list.length - 1), fc.constantFrom('A', '<', '"', ' ', '&', 'é', ''), (at, other) => {
        const text = list.slice(0, at) + other + list.slice(at + 1);
        if (outcome(text) !== 'verified') return;
        const read = readTrustedList(Buffer.from(text), { source: 'list', signers: [signer.der] });
        expect(JSON.stringify(read)).toBe(content);
      }),
      { numRuns: 300 },
    );
  });
});

const xmlsec = spawnSync('xmlsec1', ['--version']).status === 0;
if (!xmlsec && process.env.CI !== undefined) throw new Error('CI needs xmlsec1');

describe.skipIf(!xmlsec)(
  `xmlsec1 as the second judge${xmlsec ? '' : ' (skipped: xmlsec1 is not installed)'}`,
  () => {
    let folder = '';
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'tallystick-'));
    });
    afterAll(() => rm(folder, { recursive: true }));

    async function verdict(text: string): Promise<boolean> {
      const file = join(folder, 'list.xml');
      const trusted = join(folder, 'signer.pem');
      await writeFile(file, text);
      await writeFile(
        trusted,
        `-----BEGIN CERTIFICATE-----\n${signer.der.toString('base64').replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
      );
      return (
        spawnSync('xmlsec1', [
          '--verify',
          '--pubkey-cert-pem',
          trusted,
          '--id-attr:Id',
          'http://uri.etsi.org/01903/v1.3.2#:SignedProperties',
          '--enabled-key-data',
          'key-name',
          file,
        ]).status === 0
      );
    }

    it('agrees on the list of the sandbox, and on changed ones', async () => {
      expect(await verdict(list)).toBe(true);
      expect(await verdict(changed('Svcstatus/granted', 'Svcstatus/withdrawn'))).toBe(false);
      expect(await verdict(changed(/<xades:SigningTime>\d{4}/, '<xades:SigningTime>2020'))).toBe(false);
    });
  },
);

it('refuses a signer whose key is of another kind than the algorithm', () => {
  const rsa = issue('end entity', 'rsa', { keys: rsaKeys() });
  const text = list.replaceAll(signer.der.toString('base64'), rsa.der.toString('base64'));
  expect(outcome(text, [rsa.der])).toBe('ERR_TRUSTED_LIST_SIGNATURE');
});
