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

  it.each([
    ['neither form', {}, 'exactly one of signingKeysFile and signingKeys'],
    ['both forms', { signingKeysFile: 'a', signingKeys: { file: 'b' } }, 'exactly one of signingKeysFile'],
  ])('refuses %s', (_name, more, problem) => {
    expect(problemsOf(more).join()).toContain(problem);
  });
});
