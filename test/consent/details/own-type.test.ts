import { describe, expect, it } from 'vitest';
import { compileOwnType } from '../../../src/consent/details/own-type.ts';

const insurance = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: {
    policies: { type: 'array', items: { $ref: '#/$defs/policy' }, maxItems: 5 },
    until: { type: 'string', format: 'date' },
    holder: { type: 'object', properties: { name: { type: 'string' } } },
  },
  required: ['policies'],
  $defs: {
    policy: {
      type: 'object',
      properties: { number: { type: 'string', pattern: '^[0-9]{4}$' } },
      required: ['number'],
    },
  },
};
const check = compileOwnType('insurance_data', insurance);
const detail = { type: 'insurance_data', policies: [{ number: '1234' }] };

describe('own types of the bank by JSON Schema', () => {
  it('takes what the schema describes', () => {
    expect(check(detail)).toBeUndefined();
    expect(check({ ...detail, until: '2027-01-31', holder: { name: 'A' } })).toBeUndefined();
  });

  it.each([
    ['at the top', { ...detail, extra: 1 }, 'extra is not a member of the type'],
    [
      'in a list',
      { ...detail, policies: [{ number: '1234', extra: 1 }] },
      'policies.0.extra is not a member of the type',
    ],
    [
      'in an object',
      { ...detail, holder: { name: 'A', extra: 1 } },
      'holder.extra is not a member of the type',
    ],
    [
      'by its hidden name',
      JSON.parse('{"type":"insurance_data","policies":[],"__proto__":{"a":1}}'),
      '__proto__ is not a member of the type',
    ],
  ])('I9: refuses an unknown member %s, though the schema does not say so', (_name, value, problem) => {
    expect(check(value)).toBe(problem);
  });

  it.each([
    ['another type', { ...detail, type: 'other' }],
    ['no type', { policies: [] }],
    ['a missing member', { type: 'insurance_data' }],
    ['a wrong number', { ...detail, policies: [{ number: '１234' }] }],
    ['a wrong date', { ...detail, until: '2027-02-30' }],
    ['a text for a list', { ...detail, policies: 'all' }],
  ])('refuses %s', (_name, value) => {
    expect(check(value)).toBeDefined();
  });

  it('refuses unknown members where schemas are combined', () => {
    const combined = compileOwnType('t', {
      type: 'object',
      properties: { a: { type: 'string' } },
      anyOf: [
        { type: 'object', properties: { b: { type: 'string' } } },
        { type: 'object', properties: { c: { type: 'string' } } },
      ],
    });
    expect(combined({ type: 't', a: 'x', b: 'y' })).toBeUndefined();
    expect(combined({ type: 't', a: 'x', d: 'y' })).toContain('d is not a member');
  });

  it.each<[string, unknown]>([
    ['a list', []],
    ['true', true],
    ['unknown members at the top', { type: 'object', additionalProperties: true }],
    ['unknown members of one type', { type: 'object', additionalProperties: { type: 'string' } }],
    ['unknown members further in', { properties: { a: { type: 'object', unevaluatedProperties: true } } }],
    ['a place that says nothing', { properties: { a: { description: 'x' } } }],
    ['a list of anything', { properties: { a: { type: 'array' } } }],
    ['a place without a schema', { properties: { a: true } }],
    ['a schema elsewhere', { properties: { a: { $ref: 'https://schemas.example/a.json' } } }],
    ['a dynamic reference', { properties: { a: { $dynamicRef: '#a' } } }],
    ['an unknown keyword', { properties: { a: { type: 'string', maxLenght: 3 } } }],
    ['an unknown format', { properties: { a: { type: 'string', format: 'iban' } } }],
    ['a type that does not exist', { properties: { a: { type: 'money' } } }],
  ])('refuses a schema with %s', (_name, schema) => {
    expect(() => compileOwnType('t', schema)).toThrow();
  });
});
