import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { redirectUrisOf, suiteConfiguration } from './configuration.ts';

// Prints the suite's configuration for a running sandbox, and on standard error how to start that sandbox.
const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: '.tallystick' },
    alias: { type: 'string', default: 'tallystick' },
    suite: { type: 'string', default: 'https://localhost.emobix.co.uk:8443' },
    method: { type: 'string', default: 'private_key_jwt' },
  },
});
const method = values.method === 'tls_client_auth' ? 'tls_client_auth' : 'private_key_jwt';
const flags = redirectUrisOf(new URL(values.suite), values.alias).map((uri) => `--redirect-uri '${uri}'`);
if (method === 'private_key_jwt') flags.push('--push-without-certificate');
console.error(`The sandbox needs: npm run sandbox -- ${flags.join(' ')}`);
const sandbox = JSON.parse(await readFile(`${values.dir}/sandbox.json`, 'utf8'));
console.log(JSON.stringify(await suiteConfiguration(sandbox, { alias: values.alias, method }), undefined, 2));
