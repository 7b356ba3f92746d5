import { walkPages } from '../../src/sandbox/demo/demo-browser.ts';

// The program of --authorize: the CA of the server, then the authorization URL. Prints the callback.
const [, , caFile = '', url = ''] = process.argv;
console.log((await walkPages(new URL(url), { caFile, answer: { decision: 'cancel' } })).href);
