import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ErrorCode, isRefusal } from '../../src/errors.ts';
import { Trail } from '../../src/tpp/decision.ts';
import { proveIdentity, proveStatements } from '../../src/tpp/statement-rules.ts';
import { createTrustProfile } from '../../src/tpp/trust-profile.ts';
import { parseCertificate, parsePem } from '../../src/x509/certificate/certificate.ts';
import { corpus, readCorpus } from '../x509/corpora.ts';

const pkilint = corpus('pkilint-psd2');
const SUFFIX = '.crttest';
const names = pkilint.isMissing
  ? []
  : readdirSync(pkilint.path)
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => name.slice(0, -SUFFIX.length));
const exceptions: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(join(import.meta.dirname, 'pkilint-exceptions.json'), 'utf8'),
);
/** What the refusal of a labelled fault must be. */
const REFUSALS: Readonly<Record<string, ErrorCode>> = {
  'etsi.ts_119_495.gen-5.1.1.qc_eu_pds_missing': 'ERR_TPP_STATEMENT_MISSING',
};

interface Labelled {
  readonly der: Buffer;
  /** Codes of the faults that are of the PSD2 layer: lints for browsers' servers are not. */
  readonly faults: readonly string[];
}

function read(name: string): Labelled {
  const text = readCorpus('pkilint-psd2', `${name}${SUFFIX}`);
  const end = text.indexOf('-----END CERTIFICATE-----') + '-----END CERTIFICATE-----'.length;
  const [der] = parsePem(text.slice(text.indexOf('-----BEGIN'), end));
  if (der === undefined) throw new Error('a file has a certificate');
  const faults = [...text.slice(end).matchAll(/,ERROR,([^,\s]+)/g)].flatMap(([, code = '']) =>
    /^etsi\.|^pkix\.|validity_period/.test(code) ? [code] : [],
  );
  return { der, faults };
}

/** The layer that these are for: their signatures are invalid, so no path is asked for. */
function decide(der: Buffer): ErrorCode | 'accepted' {
  const certificate = parseCertificate(der);
  const profile = createTrustProfile({ preset: 'eu-qualified', anchorsPem: pem(der) });
  const trail = new Trail();
  try {
    const statements = proveStatements(certificate, profile, { trail });
    proveIdentity(certificate, { statements, profile, trail });
    return 'accepted';
  } catch (error) {
    if (isRefusal(error)) return error.code;
    throw error;
  }
}

const pem = (der: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`;

describe.skipIf(pkilint.isMissing)(`PSD2 certificates as others label them: ${pkilint.title}`, () => {
  it.each(names)('%s', (name) => {
    const { der, faults } = read(name);
    const outcome = decide(der);
    const reason = exceptions[name];
    expect({ isRefused: outcome !== 'accepted', reason }).toEqual({
      isRefused: faults.length > 0 && reason === undefined,
      reason,
    });
    if (outcome !== 'accepted')
      expect(outcome).toBe(REFUSALS[faults[0] ?? ''] ?? 'ERR_TPP_STATEMENT_INVALID');
  });

  it('are all there, and each exception is for one of them', () => {
    expect(names).toHaveLength(19);
    expect(Object.keys(exceptions).filter((name) => !names.includes(name))).toEqual([]);
  });
});
