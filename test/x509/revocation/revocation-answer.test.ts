import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

/** Asks a source that never answers, then another, in a process that nothing else keeps alive. */
const PROGRAM = `
import { askForAnswers } from './src/x509/revocation/revocation-answer.ts';
const uri = (value) => ({ kind: 'uri', value });
const certificate = {
  authorityInformationAccess: [{ method: '1.3.6.1.5.5.7.48.1', location: uri('http://a.example/') }],
  crlDistributionPoints: [{ fullName: [uri('http://a.example/crl')], crlIssuer: [] }],
};
const found = await askForAnswers({ certificate, issuer: {} }, { mode: 'ocsp-first', budgetSeconds: 0.3, pins: [] }, {
  sources: { ocsp: { ask: () => new Promise(() => {}) }, crls: { ask: async () => 'good' } },
  maxAgeSeconds: 1,
  accept: ([status]) => status,
});
console.log(found);
`;

it('the wait for a slow source does not end the process', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', PROGRAM]);
  expect(stdout).toBe('good\n');
});
