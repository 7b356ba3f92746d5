import { describe, expect, it } from 'vitest';
import type { WrittenState } from '../../src/sandbox/registers/trusted-list-writer.ts';
import { readTrustedList } from '../../src/trusted-lists/list/trusted-list.ts';
import { issuerProblem, issuesForWebsites } from '../../src/trusted-lists/website-issuers.ts';
import {
  extendedKeyUsage,
  issue,
  KEY_USAGE,
  keyUsage,
  NOW,
  policies,
  PURPOSE,
} from '../x509/certificate-factory.ts';
import { days, nationalList, operator, service } from './written-lists.ts';

const signer = operator('operator');
const authority = issue('authority', 'authority');
const QUALIFIER = 'http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/';
const leaf = (...extra: readonly Buffer[]) =>
  issue('end entity', 'tpp', { issuer: authority, extra: [...extra] }).certificate;

function problem(states: readonly WrittenState[], { certificate = leaf(), at = NOW } = {}) {
  const list = nationalList(signer, { services: [service(authority, ...states)] });
  const { services } = readTrustedList(list, { source: 'list', signers: [signer.der] });
  const [read] = services;
  if (read === undefined) throw new Error('one service');
  return issuerProblem(read, { certificate, at });
}

/** A Qualifications extension in canonical form. */
function qualified(qualifier: string, criteria: string, assert = 'all'): string {
  const q = 'http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#';
  return `<Extension Critical="true"><q:Qualifications xmlns:q="${q}"><q:QualificationElement><q:Qualifiers><q:Qualifier uri="${QUALIFIER}${qualifier}"></q:Qualifier></q:Qualifiers><q:CriteriaList assert="${assert}">${criteria}</q:CriteriaList></q:QualificationElement></q:Qualifications></Extension>`;
}
const x = 'xmlns:x="http://uri.etsi.org/01903/v1.3.2#"';
const policySet = (...oids: readonly string[]) =>
  `<q:PolicySet>${oids.map((oid) => `<q:PolicyIdentifier><x:Identifier ${x}>${oid}</x:Identifier></q:PolicyIdentifier>`).join('')}</q:PolicySet>`;
const bits = (name: string, isSet: boolean) =>
  `<q:KeyUsage><q:KeyUsageBit name="${name}">${isSet}</q:KeyUsageBit></q:KeyUsage>`;
const serverAuth = `<q:otherCriteriaList><e:ExtendedKeyUsage xmlns:e="http://uri.etsi.org/02231/v2/additionaltypes#"><e:KeyPurposeId><x:Identifier ${x}>1.3.6.1.5.5.7.3.1</x:Identifier></e:KeyPurposeId></e:ExtendedKeyUsage></q:otherCriteriaList>`;
const subjectAttribute =
  '<q:otherCriteriaList><e:CertSubjectDNAttribute xmlns:e="http://uri.etsi.org/02231/v2/additionaltypes#"></e:CertSubjectDNAttribute></q:otherCriteriaList>';

const granted: WrittenState = { status: 'granted', since: days(-300) };
const withdrawn: WrittenState = { status: 'withdrawn', since: days(-30) };
const seals: WrittenState = { ...granted, purposes: ['ForeSeals'] };
const withExtension = (extensions: string, state = granted): WrittenState[] => [{ ...state, extensions }];

describe('a service that was granted for website authentication', () => {
  it.each<[title: string, states: readonly WrittenState[], at: Date, problem: RegExp | undefined]>([
    ['granted', [granted], NOW, undefined],
    ['to the instant', [granted], days(-300), undefined],
    ['before it was listed', [granted], days(-301), /not listed/],
    ['withdrawn now', [withdrawn, granted], NOW, /withdrawn/],
    ['withdrawn later than the instant', [withdrawn, granted], days(-31), undefined],
    ['withdrawn at the instant', [withdrawn, granted], days(-30), /withdrawn/],
    ['granted again', [{ ...granted, since: days(-5) }, withdrawn, granted], NOW, undefined],
    [
      'granted again, in between',
      [{ ...granted, since: days(-5) }, withdrawn, granted],
      days(-6),
      /withdrawn/,
    ],
    ['to be withdrawn tomorrow', [{ ...withdrawn, since: days(1) }, granted], NOW, undefined],
    ['states in another order', [granted, withdrawn], NOW, /withdrawn/],
    ['for seals only', [seals], NOW, /not granted for website/],
    [
      'for websites only since yesterday, asked for last week',
      [{ ...granted, since: days(-1) }, seals],
      days(-7),
      /not granted for website/,
    ],
    ['recognised nationally', [{ ...granted, status: 'recognisedatnationallevel' }], NOW, /recognised/],
    [
      'with an unknown critical extension',
      withExtension('<Extension Critical="true"><Unknown></Unknown></Extension>'),
      NOW,
      /critical Unknown/,
    ],
    [
      'with an unknown extension',
      withExtension('<Extension Critical="false"><Unknown></Unknown></Extension>'),
      NOW,
      undefined,
    ],
  ])('%s', (_title, states, at, expected) => {
    if (expected === undefined) expect(problem(states, { at })).toBeUndefined();
    else expect(problem(states, { at })).toMatch(expected);
  });

  const one = leaf(policies('1.2.3', '1.2.4'));
  it.each<
    [
      title: string,
      extensions: string,
      state: WrittenState,
      certificate: typeof one,
      problem: RegExp | undefined,
    ]
  >([
    ['NotQualified by policy', qualified('NotQualified', policySet('1.2.3')), granted, one, /not qualified/],
    [
      'NotQualified by a policy that the certificate has not',
      qualified('NotQualified', policySet('1.2.9')),
      granted,
      one,
      undefined,
    ],
    ['urn:oid', qualified('NotQualified', policySet('urn:oid:1.2.3')), granted, one, /not qualified/],
    [
      'a set of two policies, of which it has both',
      qualified('NotQualified', policySet('1.2.3', '1.2.4')),
      granted,
      one,
      /not qualified/,
    ],
    [
      'a set of two policies, of which it has one',
      qualified('NotQualified', policySet('1.2.3', '1.2.9')),
      granted,
      one,
      undefined,
    ],
    [
      'at least one of two sets',
      qualified('NotQualified', policySet('1.2.9') + policySet('1.2.3'), 'atLeastOne'),
      granted,
      one,
      /not qualified/,
    ],
    [
      'all of two sets',
      qualified('NotQualified', policySet('1.2.9') + policySet('1.2.3')),
      granted,
      one,
      undefined,
    ],
    [
      'none of the sets',
      qualified('NotQualified', policySet('1.2.9'), 'none'),
      granted,
      one,
      /not qualified/,
    ],
    [
      'a nested list',
      qualified(
        'NotQualified',
        `<q:CriteriaList assert="atLeastOne">${policySet('1.2.9')}${policySet('1.2.3')}</q:CriteriaList>${bits('digitalSignature', true)}`,
      ),
      granted,
      one,
      /not qualified/,
    ],
    ['key usage', qualified('NotQualified', bits('digitalSignature', true)), granted, one, /not qualified/],
    [
      'key usage that must not be set',
      qualified('NotQualified', bits('nonRepudiation', false)),
      granted,
      one,
      /not qualified/,
    ],
    [
      'crlSign as the lists write it',
      qualified('NotQualified', bits('crlSign', true)),
      granted,
      leaf(keyUsage(KEY_USAGE.digitalSignature, KEY_USAGE.cRLSign)),
      /not qualified/,
    ],
    [
      'NotQualified by a criterion that is not understood',
      qualified('NotQualified', subjectAttribute),
      granted,
      one,
      /not qualified/,
    ],
    ['QCForWSA of a service for seals', qualified('QCForWSA', policySet('1.2.3')), seals, one, undefined],
    ['QCForWSA for others', qualified('QCForWSA', policySet('1.2.9')), seals, one, /not granted for website/],
    [
      'QCForWSA by server authentication',
      qualified('QCForWSA', serverAuth),
      seals,
      leaf(extendedKeyUsage(PURPOSE.clientAuth, PURPOSE.serverAuth)),
      undefined,
    ],
    [
      'QCForWSA by server authentication that it has not',
      qualified('QCForWSA', serverAuth),
      seals,
      one,
      /not granted for website/,
    ],
    [
      'QCForWSA by a criterion that is not understood',
      qualified('QCForWSA', subjectAttribute),
      seals,
      one,
      /not granted for website/,
    ],
    ['QCForESeal', qualified('QCForESeal', policySet('1.2.3')), granted, one, /for seals/],
    ['QCForESig', qualified('QCForESig', policySet('1.2.3')), granted, one, /for seals or signatures/],
    [
      'QCForESeal and QCForWSA',
      qualified('QCForESeal', policySet('1.2.3')) + qualified('QCForWSA', policySet('1.2.4')),
      granted,
      one,
      undefined,
    ],
    [
      'NotQualified and QCForWSA',
      qualified('NotQualified', policySet('1.2.3')) + qualified('QCForWSA', policySet('1.2.4')),
      granted,
      one,
      /not qualified/,
    ],
  ])('qualifiers: %s', (_title, extensions, state, certificate, expected) => {
    const found = problem(withExtension(extensions, state), { certificate });
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(expected);
  });

  it('is an issuer for websites when any of its states was granted for them', () => {
    const read = (...states: readonly WrittenState[]) => {
      const list = nationalList(signer, { services: [service(authority, ...states)] });
      return readTrustedList(list, { source: 'list', signers: [signer.der] }).services.map(issuesForWebsites);
    };
    expect(read(withdrawn, granted)).toEqual([true]);
    expect(read(seals)).toEqual([false]);
    expect(read(...withExtension(qualified('QCForWSA', policySet('1.2.3')), seals))).toEqual([true]);
  });
});
