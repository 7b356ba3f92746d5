import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { oauthAnswer } from '../src/authorization-server/request/oauth-error.ts';
import { configSchema } from '../src/configuration/config.ts';
import { ERROR_CODES, OpenBankingError, ruleOf } from '../src/errors.ts';
import { refusalAnswer } from '../src/resource-server/index.ts';

const FILE = new URL('../README.md', import.meta.url);

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
    const error = new OpenBankingError(code, { allowed: [] } as never);
    const { status, body } = oauthAnswer(error);
    const api = refusalAnswer(error);
    return `| \`${code}\` | ${status} \`${body.error}\` | ${api.status} | ${ruleOf(code)} |`;
  });
  return ['| code | authorization server | protected API | rule |', '|---|---|---|---|', ...rows].join('\n');
}

function withTable(text: string, name: string, table: string): string {
  const between = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);
  expect(text).toMatch(between);
  return text.replace(between, (_whole, begin: string, end: string) => `${begin}\n${table}\n\n${end}`);
}

describe('README', () => {
  it('has the tables of configuration and refusals as the code has them', () => {
    const text = readFileSync(FILE, 'utf8');
    const made = withTable(withTable(text, 'configuration', configurationTable()), 'errors', errorTable());
    if (process.env.UPDATE_README !== undefined) writeFileSync(FILE, made);
    expect(text, 'run UPDATE_README=1 npm test -- test/readme.test.ts').toBe(made);
  });
});
