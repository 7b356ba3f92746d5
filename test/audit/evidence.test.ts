import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Evidence, gatherEvidence } from '../../src/audit/evidence/evidence.ts';
import { evidenceFiles } from '../../src/audit/evidence/evidence-files.ts';
import { zipArchive } from '../../src/audit/evidence/zip-archive.ts';
import { isSigned, parseCheckpoint } from '../../src/audit/line/checkpoint.ts';
import { rootOfProof } from '../../src/audit/line/merkle-tree.ts';
import { openAuditKey } from '../../src/audit/line/signing-key.ts';
import { FolderSource } from '../../src/audit/reading/folder-source.ts';
import { OpenBankingError, ruleOf } from '../../src/errors.ts';
import { issue } from '../x509/certificate-factory.ts';
import { openAuditFolder, startRecord, testFolder } from './audit-folder.ts';

const TPP = 'PSDGB-FCA-1';
const CERTIFICATE = new X509Certificate(issue('end entity', 'A TPP').der);
const FINGERPRINT = CERTIFICATE.fingerprint256.replaceAll(':', '').toLowerCase();

async function evidenceOfOne(): Promise<{ readonly evidence: Evidence; readonly keyFile: string }> {
  const record = await openAuditFolder();
  const { audit, log } = await startRecord(record);
  log.emit('tpp.decision.changed', {
    ...{ authorizationNumber: TPP, fingerprint: FINGERPRINT, outcome: 'ERR_TPP_BLOCKED' },
    steps: [{ rule: 'not blocked', clause: 'PSD2 article 68 <5>', refused: 'ERR_TPP_BLOCKED' }],
  });
  await audit.keepCertificate(FINGERPRINT, CERTIFICATE.toString());
  for (let count = 0; count < 10; count += 1) {
    log.emit('token.issued', { clientId: `other-${count}`, authorizationNumber: 'PSDGB-FCA-12' });
  }
  const details = { authorizationNumber: TPP, nca: 'GB-FCA' } as never;
  log.emit('client.auth.refused', { error: new OpenBankingError('ERR_TPP_BLOCKED', details) });
  log.emit('client.auth.refused', { certificate: FINGERPRINT.slice(0, 16) });
  await audit.close();
  const query = { tpp: TPP, from: new Date(0), to: new Date('2999-01-01') };
  return { evidence: await gatherEvidence(new FolderSource(record.folder), query), keyFile: record.keyFile };
}

describe('the evidence about a TPP (PSD2 article 68(5), RTS article 29)', () => {
  it('O4: has its lines and no line of others, each proved by a signed checkpoint', async () => {
    const { evidence, keyFile } = await evidenceOfOne();
    expect(evidence.lines.map(({ line }) => line.event)).toEqual([
      'tpp.decision.changed',
      'client.auth.refused',
      'client.auth.refused',
    ]);
    const key = await openAuditKey(keyFile);
    for (const { text, proof } of evidence.lines) {
      const signed = evidence.checkpoints.get(proof?.checkpoint ?? '') ?? '';
      expect(createHash('sha256').update(signed).digest('base64url')).toBe(proof?.checkpoint);
      const checkpoint = parseCheckpoint(JSON.parse(signed));
      if (checkpoint === undefined) throw new Error('no checkpoint');
      expect(isSigned(checkpoint, new Map([[key.id, key.publicKey]]))).toBe(true);
      const leaf = createHash('sha256').update(text).digest('base64url');
      expect(rootOfProof(leaf, proof?.steps ?? [])).toBe(checkpoint.covers.root);
    }
    expect([...evidence.certificates]).toEqual([[FINGERPRINT, CERTIFICATE.toString()]]);
  });

  it('is a readable page with every rule, and an archive that any program opens', async (context) => {
    const { evidence } = await evidenceOfOne();
    const query = { tpp: TPP, from: new Date(0), to: new Date('2999-01-01') };
    const files = evidenceFiles({ query, evidence, publicKeys: [], exportedAt: new Date(0) });
    const page = files.get('index.html') ?? '';
    expect(page).toContain('PSD2 article 68 &lt;5&gt;');
    expect(page).toContain('refused: ERR_TPP_BLOCKED');
    expect(page).toContain(`ERR_TPP_BLOCKED: ${ruleOf('ERR_TPP_BLOCKED')}`);
    expect(page).toContain(`certificates/${FINGERPRINT}.pem`);
    expect(page).toContain('CN=A TPP');
    expect(page).not.toContain('other-');
    if (spawnSync('python3', ['--version']).error !== undefined) return context.skip('no Python to open it');
    const archive = join(testFolder(), 'bundle.zip');
    writeFileSync(archive, zipArchive(files));
    const script =
      'import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(*z.namelist())';
    const names = execFileSync('python3', ['-c', script, archive], { encoding: 'utf8' }).trim();
    expect(names.split(' ')).toEqual([...files.keys()]);
  });

  it('O4: is verified by openssl, which finds a changed line, a forged checkpoint and another certificate', async (context) => {
    if (spawnSync('openssl', ['version']).error !== undefined) return context.skip('no openssl');
    const { evidence, keyFile } = await evidenceOfOne();
    const { publicKey } = await openAuditKey(keyFile);
    const query = { tpp: TPP, from: new Date(0), to: new Date('2999-01-01') };
    const files = new Map(
      evidenceFiles({ query, evidence, publicKeys: [publicKey], exportedAt: new Date(0) }),
    );
    const verified = (...numbers: string[]) => {
      const folder = testFolder();
      for (const [name, content] of files) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), content);
      }
      const { status, stdout } = spawnSync('sh', ['verify.sh', ...numbers], {
        cwd: folder,
        encoding: 'utf8',
      });
      return { status, faults: stdout.split('\n').filter((line) => line.startsWith('FAULT')) };
    };
    expect(verified()).toEqual({ status: 0, faults: [] });

    files.set('SHA256SUMS', '');
    files.set('lines.jsonl', String(files.get('lines.jsonl')).replace('ERR_TPP_BLOCKED', 'ERR_TPP_BLOCKEE'));
    const signed = [...files.keys()].find((name) => /^checkpoints\/.*json$/.test(name)) ?? '';
    files.set(signed, String(files.get(signed)).replace('"at":"2', '"at":"3'));
    files.set(`certificates/${'cd'.repeat(32)}.pem`, String(files.get(`certificates/${FINGERPRINT}.pem`)));
    expect(verified('1')).toEqual({
      status: 1,
      faults: [
        `FAULT: ${signed} is not signed by keys/${(await openAuditKey(keyFile)).id}.pem`,
        `FAULT: certificates/${'cd'.repeat(32)}.pem is another certificate than its name says`,
        'FAULT: line 1 has another hash than its proof says',
        `FAULT: line 1 does not lead to the root of ${signed}`,
      ],
    });
  });
});
