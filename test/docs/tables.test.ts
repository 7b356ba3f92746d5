import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Profile } from '../../src/authorization-server/profiles/profile.ts';
import { PROFILES } from '../../src/authorization-server/profiles/profiles.ts';
import { oauthAnswer } from '../../src/authorization-server/request/oauth-error.ts';
import { configSchema } from '../../src/configuration/config.ts';
import { anyDetails } from '../any-details.ts';
import { ERROR_CODES, OpenBankingError, ruleOf } from '../../src/errors.ts';
import { refusalAnswer } from '../../src/resource-server/index.ts';
import { TOLERATED } from '../../src/x509/der/tolerances.ts';
import { fileOf, readPage } from './pages.ts';

interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly required?: readonly string[];
}

function configurationRows(schema: JsonSchema, path = ''): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const here = path === '' ? name : `${path}.${name}`;
    const isNamed = field.description !== undefined;
    const isRequired = schema.required?.includes(name) === true && field.default === undefined;
    const fallback = isRequired
      ? '(required)'
      : field.default === undefined
        ? ''
        : `\`${JSON.stringify(field.default)}\``;
    const own = isNamed ? [`| \`${here}\` | ${fallback} | ${field.description} |`] : [];
    if (isNamed) return own;
    const inner = field.items === undefined ? field : field.items;
    return configurationRows(inner, field.items === undefined ? here : `${here}[]`);
  });
}

function configurationTable(): string {
  const schema = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  return ['| field | default | meaning |', '|---|---|---|', ...configurationRows(schema)].join('\n');
}

function errorTable(): string {
  const rows = ERROR_CODES.map((code) => {
    const error = new OpenBankingError(code, anyDetails);
    const { status, body } = oauthAnswer(error);
    const api = refusalAnswer(error);
    return `| \`${code}\` | ${status} \`${body.error}\` | ${api.status} | ${ruleOf(code)} |`;
  });
  return ['| code | authorization server | protected API | rule |', '|---|---|---|---|', ...rows].join('\n');
}

function toleranceTable(): string {
  const rows = Object.values(TOLERATED).map(
    ({ kinds, form, reason }) => `| ${kinds.join(', ')} | ${form} | ${reason} |`,
  );
  return ['| in | accepted | since |', '|---|---|---|', ...rows].join('\n');
}

const PROFILE_RULES: readonly (readonly [rule: string, of: (profile: Profile) => string])[] = [
  ['standard', ({ title }) => title],
  ['response types and modes', ({ responseModes }) => responsesOf(responseModes)],
  ['signed responses (JARM)', ({ signedResponses }) => signedResponses],
  ['pushed requests (RFC 9126)', ({ pushedRequests }) => pushedRequests],
  ['signed request objects (RFC 9101)', ({ signedRequests }) => signedRequests],
  [
    'request object: `exp` after `nbf`, age of `nbf`',
    ({ signedRequests, requestObject: { lifetimeSeconds, ageSeconds } }) =>
      signedRequests === 'never' ? '–' : `at most ${lifetimeSeconds} s, at most ${ageSeconds} s`,
  ],
  [
    'code challenge (S256)',
    ({ codeChallenge }) => (codeChallenge === 'always' ? 'required' : 'required with pushed requests'),
  ],
  ['`nonce`', ({ nonce }) => (nonce === 'optional' ? 'optional' : 'required with `openid`; `state` without')],
  ['client authentication', ({ clientAuthMethods }) => listed(clientAuthMethods)],
  [
    '`aud` of client assertions',
    ({ assertionAudience }) =>
      assertionAudience === 'issuer'
        ? 'the issuer, as one string'
        : 'the issuer, the token endpoint or the endpoint of the request; also a list with one of them',
  ],
  ['algorithms of clients', ({ clientAlgorithms }) => listed(clientAlgorithms)],
  ['algorithms of the server', ({ serverAlgorithms }) => listed(serverAlgorithms)],
  ['encryption of ID tokens and request objects', ({ encryption }) => encryption],
  ['binding of tokens', ({ senderConstraints }) => senderConstraints.join(', ')],
  [
    'refresh tokens',
    ({ rotatesRefreshTokens, market }) =>
      market?.keepsRefreshTokens === true
        ? 'stay, also with `refreshToken.rotation`'
        : rotatesRefreshTokens
          ? 'rotate'
          : 'stay',
  ],
  [
    '`acr` that a login must reach',
    ({ market }) => (market === undefined ? 'as asked' : listed(market.acrValues)),
  ],
  ['`consent_references` of a client that names none', ({ consentReferences }) => listed(consentReferences)],
  ['life of a code', ({ codeSeconds }) => `${codeSeconds} s`],
  ['life of an ID token', ({ idTokenSeconds }) => `${idTokenSeconds} s`],
  ['clock of a client ahead', ({ clockToleranceSeconds }) => `up to ${clockToleranceSeconds} s`],
];

const listed = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(', ');

function responsesOf(modes: Profile['responseModes']): string {
  return Object.entries(modes)
    .map(([type, names]) => `\`${type}\`: ${listed(names)}`)
    .join('; ');
}

function profileTable(): string {
  const names = PROFILES.map(({ name }) => `\`${name}\``).join(' | ');
  const rows = PROFILE_RULES.map(([rule, of]) => `| ${rule} | ${PROFILES.map(of).join(' | ')} |`);
  return [`| rule | ${names} |`, `|---|${'---|'.repeat(PROFILES.length)}`, ...rows].join('\n');
}

function withTable(text: string, name: string, table: string): string {
  const between = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);
  expect(text).toMatch(between);
  return text.replace(between, (_whole, begin: string, end: string) => `${begin}\n${table}\n\n${end}`);
}

describe('the page', () => {
  it.each([
    ['docs/configuration.md', 'configuration', configurationTable],
    ['docs/refusals.md', 'errors', errorTable],
    ['docs/profiles.md', 'profiles', profileTable],
    ['docs/tpp-certificates.md', 'tolerances', toleranceTable],
  ])('%s has the table of %s as the code has it', (page, name, table) => {
    const { text } = readPage(page);
    const made = withTable(text, name, table());
    if (process.env.UPDATE_DOCS !== undefined) writeFileSync(fileOf(page), made);
    else expect(text, 'run UPDATE_DOCS=1 npm test -- test/docs').toBe(made);
  });
});
