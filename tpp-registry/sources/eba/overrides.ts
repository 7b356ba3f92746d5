import { z } from 'zod';
import { OpenBankingError } from '../../../src/errors.ts';
import { ListDocument } from '../../list-document.ts';
import { textField } from '../../record-fields.ts';
import type { RegisterOverride } from './eba-source.ts';

const override = z.strictObject({
  authorizationNumber: textField(128),
  entityCode: textField(256),
  provenance: textField(512),
});
const frame = z.strictObject({ overrides: z.array(z.unknown()) });
const MAX_OVERRIDES = 5000;

/**
 * Parses the table of identifiers whose number is not that of the register, in YAML or JSON.
 *
 *     overrides:
 *       - authorizationNumber: PSDFR-ACPR-16958
 *         entityCode: FR_ACPR!384558
 *         provenance: REGAFI, looked up by J. Doe on 2026-10-02
 *
 * @throws ERR_REGISTRY_INVALID
 */
export function parseOverrides(content: string, source: string): readonly RegisterOverride[] {
  const document = new ListDocument(Buffer.from(content), {
    list: 'overrides',
    invalid: (problems) => new OpenBankingError('ERR_REGISTRY_INVALID', { source, problems }),
  });
  for (const { path, message } of frame.safeParse(document.frame).error?.issues ?? []) {
    document.note(path, message);
  }
  const found = new Map<string, RegisterOverride>();
  let at = -1;
  for (const entry of document.entries()) {
    at += 1;
    if (at === MAX_OVERRIDES) {
      document.note(['overrides'], `has more than ${MAX_OVERRIDES} entries`);
      break;
    }
    const parsed = override.safeParse(entry);
    for (const { path, message } of parsed.error?.issues ?? []) {
      document.note(['overrides', at, ...path], message);
    }
    if (parsed.data === undefined) continue;
    const { authorizationNumber } = parsed.data;
    if (found.has(authorizationNumber)) {
      document.note(['overrides', at, 'authorizationNumber'], 'is also that of another entry');
    }
    found.set(authorizationNumber, parsed.data);
  }
  document.assertSound();
  return [...found.values()];
}
