import { readFile } from 'node:fs/promises';
import { parseConfig } from '../../../src/configuration/config.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import { startServer } from '../../../src/server/server.ts';

// The authorization server as a process of its own. Its parent tells it which consent to end.
const [, , file = ''] = process.argv;
const config = parseConfig(JSON.parse(await readFile(file, 'utf8')), { source: file, folder: '/' });
const server = await startServer(config, { aspsp: demoAspsp() });
process.on('message', (consentId: string) => {
  void server.consents.revoke(consentId).then(() => process.send?.('revoked'));
});
process.send?.('ready');
