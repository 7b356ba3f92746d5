import type { Words } from '../words/words.ts';
import type { AskedDetail } from './asked-members.ts';
import type { ConsentPart } from './consent-part.ts';
import type { Fact } from './facts.ts';

/**
 * A type of the bank's own: every member is shown, by the bank's words where `messages.<locale>.json` has some
 * (`type.<type>`, `type.<type>.text`, `field.<member>`), else by the names of the request.
 */
export function ownTypePart(detail: AskedDetail, words: Words): ConsentPart {
  const { type, ...members } = detail;
  return {
    kind: 'other',
    title: words.findText(`type.${type}`) ?? type,
    text: words.findText(`type.${type}.text`) ?? words.text('scope.unknown.text'),
    facts: memberFacts(members, words),
    clusters: [],
  };
}

function memberFacts(members: object, words: Words): readonly Fact[] {
  const found: Fact[] = [];
  const walk = (value: unknown, path: readonly string[]): void => {
    if (Array.isArray(value)) for (const one of value) walk(one, path);
    else if (typeof value === 'object' && value !== null) {
      for (const [name, member] of Object.entries(value)) walk(member, [...path, name]);
    } else found.push(factOf(path, value, words));
  };
  walk(members, []);
  return found;
}

function factOf(path: readonly string[], value: unknown, words: Words): Fact {
  const name = path.join('.');
  const label = path.map((member) => words.findText(`field.${member}`) ?? member).join(' – ');
  if (typeof value === 'boolean') return { name, label, value: words.text(value ? 'fact.yes' : 'fact.no') };
  return { name, label, value: String(value) };
}
