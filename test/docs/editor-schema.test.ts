import { readFileSync, writeFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { editorSchema } from '../../src/cli/config/editor-schema.ts';
import { parseConfig } from '../../src/configuration/config.ts';
import { fileOf } from './pages.ts';

const WHOLE = {
  issuer: 'https://as.bank.example',
  mtlsUrl: 'https://mtls.bank.example',
  listen: { health: 9001 },
  tls: { certificateFile: 'server.pem', privateKeyFile: 'server.key' },
  storage: { file: 'data.sqlite', secretFile: 'secret' },
  signingKeysFile: 'keys.json',
  resource: 'https://api.bank.example',
  trust: [{ profile: 'eu-qualified', anchorsFile: 'anchors.pem' }],
  registry: { file: 'tpps.yaml' },
};

describe('the JSON Schema for editors', () => {
  it.each([
    ['docs/tallystick.schema.json', 'server'],
    ['docs/tallystick-gateway.schema.json', 'gateway'],
  ] as const)('%s is as the code has it', (name, of) => {
    const made = `${JSON.stringify(editorSchema(of), undefined, 1)}\n`;
    if (process.env.UPDATE_DOCS !== undefined) writeFileSync(fileOf(name), made);
    else expect(readFileSync(fileOf(name), 'utf8'), 'run UPDATE_DOCS=1 npm test -- test/docs').toBe(made);
  });

  it('accepts what the server accepts, and refuses unknown keys and wrong types', () => {
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(editorSchema('server'));
    const value = { ...WHOLE };
    expect(() => parseConfig(value, { source: 'test', folder: '/' })).not.toThrow();
    expect([validate(value), validate.errors]).toEqual([true, null]);
    for (const wrong of [{ workers: 'many' }, { accesToken: {} }, { logLevel: 'loud' }]) {
      expect(validate({ ...value, ...wrong })).toBe(false);
    }
  });
});
