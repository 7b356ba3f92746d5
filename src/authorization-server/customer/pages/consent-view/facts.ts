import type { MessageName, Placeholders } from '../words/messages.ts';
import type { Words } from '../words/words.ts';

/** A line of the page: a label and its value. */
export interface Fact {
  /** For programs: the same in every language. */
  readonly name: string;
  readonly label: string;
  readonly value: string;
}

type FactName = Extract<MessageName, `fact.${string}`>;
/** Names of labels without placeholders. */
type Label = { [Name in FactName]: [Placeholders<Name>] extends [never] ? Name : never }[FactName];
type Labelled = Label | { readonly name: FactName; readonly label: string };

/** The facts that have a value. */
export function facts(
  words: Words,
  all: readonly (readonly [label: Labelled, value: string | undefined])[],
): readonly Fact[] {
  return all.flatMap(([labelled, value]) => {
    if (value === undefined || value === '') return [];
    const { name, label } =
      typeof labelled === 'string'
        ? { name: labelled, label: words.findText(labelled) ?? labelled }
        : labelled;
    return [{ name: name.slice('fact.'.length), label, value }];
  });
}
