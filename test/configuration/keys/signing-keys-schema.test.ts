import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/configuration/config.ts';
import { isRefusal } from '../../../src/errors.ts';

const bank = {
  issuer: 'https://as.bank.example',
  mtlsUrl: 'https://mtls.bank.example',
  tls: { certificateFile: 'server.pem', privateKeyFile: 'server.key' },
  storage: { file: 'data.sqlite', secretFile: 'secret' },
  resource: 'https://api.bank.example',
  trust: [{ profile: 'eu-qualified', anchorsFile: 'anchors.pem' }],
  registry: { file: 'tpps.yaml' },
};
const pkcs11 = { moduleFile: '/usr/lib/vendor.so', tokenLabel: 'bank', pinFile: 'pin' };
const parse = (more: object) => parseConfig({ ...bank, ...more }, { source: 'test', folder: '/etc/bank' });

function problemsOf(more: object): readonly string[] {
  try {
    parse(more);
  } catch (error) {
    if (isRefusal(error, 'ERR_CONFIG_INVALID')) {
      return error.details.problems.map(({ path, message }) => `${path}: ${message}`);
    }
    throw error;
  }
  return [];
}

describe('signingKeys', () => {
  it('names a file in either form', () => {
    expect(parse({ signingKeysFile: 'keys.json' }).signingKeysFile).toBe('/etc/bank/keys.json');
    expect(parse({ signingKeys: { file: 'keys.json' } }).signingKeys?.file).toBe('/etc/bank/keys.json');
  });

  it('names a token of PKCS#11', () => {
    expect(parse({ signingKeys: { pkcs11 } }).signingKeys?.pkcs11).toMatchObject({
      moduleFile: '/usr/lib/vendor.so',
      pinFile: '/etc/bank/pin',
      keyLabel: 'tallystick',
      sessions: 8,
      timeoutMilliseconds: 2000,
    });
  });

  it.each([
    ['neither form', {}, 'exactly one of signingKeysFile and signingKeys'],
    ['both forms', { signingKeysFile: 'a', signingKeys: { file: 'b' } }, 'exactly one of signingKeysFile'],
    ['no place', { signingKeys: {} }, 'exactly one of file, pkcs11 and kms'],
    ['two places', { signingKeys: { file: 'a', pkcs11 } }, 'exactly one of file, pkcs11 and kms'],
    [
      'a file of encryption keys beside another file',
      { signingKeys: { file: 'a', encryptionKeysFile: 'b' } },
      'encryptionKeysFile: belongs to',
    ],
    [
      'a token that is named twice',
      { signingKeys: { pkcs11: { ...pkcs11, slot: 1 } } },
      'needs either tokenLabel or slot',
    ],
    [
      'a schedule for keys of a KMS',
      {
        signingKeys: { kms: { region: 'eu-central-1', credentialsFile: 'a', keysFile: 'b' }, rotateDays: 90 },
      },
      'rotateDays: is not for keys of a KMS',
    ],
    ['another label', { signingKeys: { pkcs11: { ...pkcs11, keyLabel: 'a@b' } } }, 'must be 1 to 32 letters'],
  ])('refuses %s', (_name, more, problem) => {
    expect(problemsOf(more).join()).toContain(problem);
  });
});
