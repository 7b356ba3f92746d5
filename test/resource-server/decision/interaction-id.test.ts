import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findInteractionId } from '../../../src/resource-server/decision/protection.ts';

const ID = 'c770aef3-6784-41f7-8e0e-ff5f97bddb3a';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const NAME = 'x-fapi-interaction-id';

describe('the interaction id of a request (FAPI 1.0 Baseline §6.2.1)', () => {
  it('is found under its name in any case, among other fields, and given back as it came', () => {
    for (const id of [ID, ID.toUpperCase(), '00000000-0000-0000-0000-000000000000']) {
      for (const name of [NAME, 'X-FAPI-Interaction-ID', NAME.toUpperCase()]) {
        expect(findInteractionId(['Host', 'api', name, id, 'Accept', '*/*'])).toBe(id);
      }
    }
  });

  it('is not found when it comes twice, also in two cases and with one value, or under another name', () => {
    for (const other of [ID, ID.toUpperCase(), '', 'x']) {
      expect(findInteractionId([NAME, ID, 'Accept', '*/*', 'X-Fapi-Interaction-Id', other])).toBeUndefined();
      expect(findInteractionId([NAME, other, NAME, ID])).toBeUndefined();
    }
    expect(findInteractionId([])).toBeUndefined();
    expect(findInteractionId(['x_fapi_interaction_id', ID, 'x-fapi-interaction-ip', ID])).toBeUndefined();
    expect(findInteractionId(['Accept', NAME, ID, 'x'])).toBeUndefined();
  });

  it('is what the regular expression of a UUID says, for any text near one (property)', () => {
    const character = fc.oneof(
      fc.constantFrom(...'-0123456789abcdefABCDEFgG/:@`_\r\n \0'),
      fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
    );
    const edit = fc.tuple(
      fc.nat({ max: 36 }),
      fc.nat({ max: 2 }),
      fc.string({ unit: character, maxLength: 2 }),
    );
    const near = fc
      .tuple(fc.uuid(), fc.array(edit, { maxLength: 3 }))
      .map(([id, edits]) =>
        edits.reduce((text, [at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut), id),
      );
    fc.assert(
      fc.property(near, (text) => {
        expect(findInteractionId([NAME, text])).toBe(UUID.test(text) ? text : undefined);
      }),
      { numRuns: 5000, seed: 3 },
    );
    for (const text of [`${ID}\n`, ` ${ID}`, `${ID}, ${ID}`, ID.slice(1), ID.replaceAll('-', '')]) {
      expect(findInteractionId([NAME, text])).toBeUndefined();
    }
    for (let at = 0; at < ID.length; at += 1) {
      const swapped = ID[at] === '-' ? 'a' : '-';
      expect(findInteractionId([NAME, ID.slice(0, at) + swapped + ID.slice(at + 1)])).toBeUndefined();
    }
  });
});
