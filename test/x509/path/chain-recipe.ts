import fc from 'fast-check';
import * as factory from '../certificate-factory.ts';
import { ecKeys, ed25519Keys, general, pssSigner, rsaKeys } from '../certificate-factory.ts';
import * as der from '../der-writer.ts';

type Change = (options: factory.IssueOptions) => factory.IssueOptions;
const add =
  (...extra: readonly Buffer[]): Change =>
  (options) => {
    const types = extra.map((one) => one.subarray(2, 7).toString('hex'));
    const others = (options.extra ?? []).filter((one) => !types.includes(one.subarray(2, 7).toString('hex')));
    return { ...options, extra: [...others, ...extra] };
  };
const drop =
  (type: string): Change =>
  (options) => ({ ...options, without: [...(options.without ?? []), type] });
const raw =
  (fields: NonNullable<factory.IssueOptions['raw']>): Change =>
  (options) => ({ ...options, raw: { ...options.raw, ...fields } });
const keys =
  (made: factory.Keys): Change =>
  (options) => ({ ...options, keys: made });
const policyLimits = (explicit: number, mapping: number): Buffer =>
  factory.extension(
    '2.5.29.36',
    der.sequence(der.field(0, Buffer.from([explicit])), der.field(1, Buffer.from([mapping]))),
    true,
  );

/** Made once: their strength matters, not that each is new. */
const RSA_2048 = rsaKeys(2048);
const RSA_1024 = rsaKeys(1024);
const ED25519 = ed25519Keys();

/** What may be said otherwise about any certificate of a chain. */
const CHANGES: Readonly<Record<string, Change>> = {
  'no basicConstraints': drop('2.5.29.19'),
  'cA FALSE': add(factory.basicConstraints(false)),
  'cA TRUE': add(factory.basicConstraints(true)),
  'pathLen 0': add(factory.basicConstraints(true, 0)),
  'basicConstraints not critical': add(factory.basicConstraints(true, undefined, false)),
  'no keyUsage': drop('2.5.29.15'),
  'keyUsage keyCertSign': add(factory.keyUsage(factory.KEY_USAGE.keyCertSign)),
  'keyUsage cRLSign': add(factory.keyUsage(factory.KEY_USAGE.cRLSign)),
  'keyUsage digitalSignature': add(factory.keyUsage(factory.KEY_USAGE.digitalSignature)),
  'no extKeyUsage': drop('2.5.29.37'),
  'extKeyUsage clientAuth': add(factory.extendedKeyUsage(factory.PURPOSE.clientAuth)),
  'extKeyUsage serverAuth': add(factory.extendedKeyUsage(factory.PURPOSE.serverAuth)),
  'no subjectKeyIdentifier': drop('2.5.29.14'),
  'no authorityKeyIdentifier': drop('2.5.29.35'),
  'wrong authorityKeyIdentifier': add(factory.authorityKeyId(Buffer.from('00', 'hex'))),
  'unknown extension': add(factory.extension('1.2.3.4', der.nothing)),
  'unknown critical extension': add(factory.extension('1.2.3.4', der.nothing, true)),
  expired: (options) => ({ ...options, notAfter: new Date('2026-02-01T00:00:00Z') }),
  'of the future': (options) => ({ ...options, notBefore: new Date('2026-12-01T00:00:00Z') }),
  'P-384': (options) => ({ ...options, keys: ecKeys('P-384') }),
  secp256k1: (options) => ({ ...options, keys: ecKeys('secp256k1') }),
  'SHA-1': (options) => ({ ...options, signer: factory.ecdsaSigner('sha1') }),
  'serial zero': (options) => ({ ...options, raw: { serial: der.integer(0) } }),
  'a broken signature': (options) => ({
    ...options,
    raw: { signature: (right) => Buffer.from(right.with(-1, (right.at(-1) ?? 0) ^ 1)) },
  }),
  'names a.example': add(factory.subjectAltName(general.dns('a.example'), general.email('x@a.example'))),
  'names b.example': add(factory.subjectAltName(general.dns('x.b.example'), general.ip(192, 0, 2, 1))),
  'permits a.example': add(
    factory.nameConstraints({ permitted: [general.dns('a.example'), general.email('a.example')] }),
  ),
  'excludes b.example': add(factory.nameConstraints({ excluded: [general.dns('b.example')] })),
  'permits 192.0.2.0/24': add(
    factory.nameConstraints({ permitted: [general.ip(192, 0, 2, 0, 255, 255, 255, 0)] }),
  ),
  'another issuer name': (options) => ({ ...options, raw: { issuer: factory.named('nobody') } }),
  'a policy': add(factory.policies('1.2.3')),
  'pathLen 1': add(factory.basicConstraints(true, 1)),
  'pathLen without cA': add(factory.basicConstraints(false, 0)),
  'keyUsage of both kinds': add(
    factory.keyUsage(factory.KEY_USAGE.digitalSignature, factory.KEY_USAGE.keyCertSign),
  ),
  'keyUsage not critical': add(
    factory.extension('2.5.29.15', der.namedBits(factory.KEY_USAGE.digitalSignature)),
  ),
  'extKeyUsage any': add(factory.extendedKeyUsage(factory.PURPOSE.any)),
  'extKeyUsage client and server': add(
    factory.extendedKeyUsage(factory.PURPOSE.clientAuth, factory.PURPOSE.serverAuth),
  ),
  'extKeyUsage critical': add(
    factory.extension('2.5.29.37', der.sequence(der.oid(factory.PURPOSE.clientAuth)), true),
  ),
  'extKeyUsage of an unknown purpose': add(factory.extendedKeyUsage('1.2.3.4')),
  'subjectKeyIdentifier critical': add(
    factory.extension('2.5.29.14', der.octetString(Buffer.alloc(20, 7)), true),
  ),
  'another subjectKeyIdentifier': add(factory.subjectKeyId(Buffer.alloc(20, 7))),
  'the boundary of its life, begin': (options) => ({ ...options, notBefore: factory.NOW }),
  // At notAfter itself OpenSSL refuses and RFC 5280 §4.1.2.5 does not; path.test.ts has that second.
  'the boundary of its life, end': (options) => ({
    ...options,
    notAfter: new Date(factory.NOW.getTime() + 1000),
  }),
  'a second before its life': (options) => ({
    ...options,
    notBefore: new Date(factory.NOW.getTime() + 1000),
  }),
  'RSA 2048': keys(RSA_2048),
  'RSA 1024': keys(RSA_1024),
  Ed25519: keys(ED25519),
  'P-521': keys(ecKeys('P-521')),
  'SHA-384': (options) => ({ ...options, signer: factory.ecdsaSigner('sha384') }),
  'RSASSA-PSS in name': (options) => ({
    ...options,
    signer: { ...pssSigner('sha256', 32), sign: factory.ecdsaSigner().sign },
  }),
  'version 1': raw({ version: Buffer.alloc(0) }),
  'version 2': raw({ version: der.context(0, der.integer(1)) }),
  'version 4': raw({ version: der.context(0, der.integer(3)) }),
  'another outer algorithm': raw({ outerAlgorithm: factory.ecdsaSigner('sha384').algorithm }),
  'parameters in the outer algorithm': raw({
    outerAlgorithm: factory.ecdsaSigner('sha256', der.nothing).algorithm,
  }),
  'no extensions': raw({ extensions: Buffer.alloc(0) }),
  'an empty subject': (options) => ({ ...options, subject: der.sequence() }),
  'names a directory': add(
    factory.subjectAltName(general.directory(factory.named('someone')), general.uri('https://a.example/')),
  ),
  'names an address': add(factory.subjectAltName(general.ip(192, 0, 2, 7), general.email('x@b.example'))),
  'names critically': add(factory.extension('2.5.29.17', der.sequence(general.dns('a.example')), true)),
  'permits its directory': add(
    factory.nameConstraints({
      permitted: [general.directory(factory.name([['2.5.4.6', der.printable('GB')]]))],
    }),
  ),
  'permits another directory': add(
    factory.nameConstraints({
      permitted: [general.directory(factory.name([['2.5.4.6', der.printable('FR')]]))],
    }),
  ),
  'excludes its directory': add(
    factory.nameConstraints({ excluded: [general.directory(factory.name([['2.5.4.6', der.utf8('gb')]]))] }),
  ),
  'excludes uri': add(factory.nameConstraints({ excluded: [general.uri('.example')] })),
  'constrains nothing': add(factory.nameConstraints({})),
  'name constraints not critical': add(
    factory.extension('2.5.29.30', der.sequence(der.context(0, der.sequence(general.dns('b.example'))))),
  ),
  'any policy': add(factory.policies('2.5.29.32.0')),
  'two policies': add(factory.policies('1.2.3', '1.2.4')),
  'a policy twice': add(factory.policies('1.2.3', '1.2.3')),
  'explicit policy at once': add(policyLimits(0, 0)),
  'explicit policy later': add(policyLimits(2, 9)),
  'no any policy': add(factory.extension('2.5.29.54', der.integer(0), true)),
  'a serial number of 21 octets': raw({ serial: der.tlv(2, Buffer.alloc(21, 1)) }),
  'a negative serial number': raw({ serial: der.tlv(2, Buffer.from([0xff, 0x01])) }),
};

/** Certificates beside the chain that a search must not trip over or believe. */
const DECOYS = [
  'the name of an authority under another key',
  'the anchor again',
  'the leaf again',
  'a stranger',
] as const;

/** Most certificates are as they should be, so that some chains are; a few have two changes at once. */
const changes = fc.oneof(
  { weight: 4, arbitrary: fc.constant<string[]>([]) },
  {
    weight: 5,
    arbitrary: fc.array(fc.constantFrom(...Object.keys(CHANGES)), { minLength: 1, maxLength: 1 }),
  },
  {
    weight: 2,
    arbitrary: fc.array(fc.constantFrom(...Object.keys(CHANGES)), { minLength: 2, maxLength: 2 }),
  },
);

export interface ChainRecipe {
  readonly root: readonly string[];
  readonly authorities: readonly (readonly string[])[];
  readonly leaf: readonly string[];
  readonly decoys: readonly (typeof DECOYS)[number][];
  readonly isShuffled: boolean;
}

export const chainRecipe: fc.Arbitrary<ChainRecipe> = fc.record({
  root: changes,
  authorities: fc.array(changes, { minLength: 0, maxLength: 3 }),
  leaf: changes,
  decoys: fc.array(fc.constantFrom(...DECOYS), { maxLength: 2 }),
  isShuffled: fc.boolean(),
});

export interface Chain {
  readonly anchor: Buffer;
  readonly untrusted: readonly Buffer[];
  readonly leaf: Buffer;
}

const STRANGER = factory.issue('authority', 'ca 1');

/** The DER of the certificates of a recipe; its issuer signs each, whatever its own certificate says. */
export function buildChain({ root, authorities, leaf, decoys, isShuffled }: ChainRecipe): Chain {
  const written: Buffer[] = [];
  let issuer: Pick<factory.Party, 'keys' | 'name'> | undefined;
  for (const [index, wishes] of [root, ...authorities, leaf].entries()) {
    const isLeaf = index === authorities.length + 1;
    const name = factory.named(isLeaf ? 'tpp' : `ca ${index}`);
    const start: factory.IssueOptions = {
      keys: ecKeys(),
      subject: name,
      ...(issuer === undefined ? {} : { issuer }),
    };
    const options = wishes.reduce((so, wish) => CHANGES[wish]?.(so) ?? so, start);
    const own = options.keys ?? ecKeys();
    // A signer is for the issuer's kind of key; another kind signs in its own way.
    const isEc = (issuer?.keys ?? own).privateKey.asymmetricKeyType === 'ec';
    const { signer, ...unsigned } = options;
    const wanted = isEc && signer !== undefined ? { signer } : {};
    written.push(factory.write(isLeaf ? 'end entity' : 'authority', { ...unsigned, ...wanted, keys: own }));
    issuer = { keys: own, name: options.subject ?? name };
  }
  const [anchor, ...rest] = written;
  const last = rest.pop();
  if (anchor === undefined || last === undefined) throw new Error('a chain has two ends');
  const extra = decoys.map((decoy) => {
    if (decoy === 'the anchor again') return anchor;
    if (decoy === 'the leaf again') return last;
    return decoy === 'a stranger' ? factory.issue('authority', 'stranger').der : STRANGER.der;
  });
  const untrusted = isShuffled ? [...extra, ...rest.reverse()] : [...rest, ...extra];
  return { anchor, untrusted, leaf: last };
}
