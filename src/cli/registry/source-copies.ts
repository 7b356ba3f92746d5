import { systemClock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { keptRegister } from '../../../tpp-registry/sources/eba/refresh.ts';
import { keptDirectory } from '../../../tpp-registry/sources/uk-directory/refresh.ts';
import { mark, shown, timeText } from '../certificate/shown-text.ts';

/** The copy of a public source, for people and as JSON. */
interface ShownCopy {
  readonly summary: string;
  readonly facts: object;
  readonly askedAt: Date;
  readonly fetchedAt: Date;
  readonly problems: readonly string[];
  readonly problem?: string | undefined;
}

/** A public source of a configuration. */
export interface SourceCopy {
  /** Its field of `registry`. */
  readonly field: 'eba' | 'ukDirectory';
  readonly name: string;
  readonly copy: ShownCopy | undefined;
  readonly overdueSince: Date | undefined;
}

/** The public sources that a configuration follows, with the copies of their folders. */
export async function sourceCopies({ registry }: Config): Promise<readonly SourceCopy[]> {
  const { eba, ukDirectory } = registry;
  const sources: SourceCopy[] = [];
  if (eba !== undefined) {
    const copy = await ebaCopy(eba.folder);
    sources.push({ field: 'eba', name: 'EBA register', copy, overdueSince: overdue(copy, eba) });
  }
  if (ukDirectory !== undefined) {
    const copy = await ukCopy(ukDirectory.folder);
    const overdueSince = overdue(copy, ukDirectory);
    sources.push({ field: 'ukDirectory', name: 'UK directory', copy, overdueSince });
  }
  return sources;
}

/** Whether a source has a copy that counts. */
export function isInOrder({ copy, overdueSince }: SourceCopy): boolean {
  return copy !== undefined && overdueSince === undefined;
}

export function sourceJson({ copy, overdueSince }: SourceCopy): object | null {
  return copy === undefined ? null : { ...copy.facts, overdueSince };
}

export function printSource({ name, copy, overdueSince }: SourceCopy): void {
  if (copy === undefined) {
    console.log(`${mark.refused()} ${name}: no copy yet: \`tallystick registry fetch\` or \`import\``);
    return;
  }
  const { summary, fetchedAt, askedAt, problems, problem } = copy;
  const sign = overdueSince === undefined && problem === undefined ? mark.passed() : mark.refused();
  console.log(`${sign} ${name}: ${summary}`);
  console.log(mark.faint(`    fetched at ${timeText(fetchedAt)}, asked for at ${timeText(askedAt)}`));
  if (overdueSince !== undefined) console.log(mark.bad(`    overdue since ${timeText(overdueSince)}`));
  if (problem !== undefined) console.log(mark.bad(`    not renewed: ${shown(problem)}`));
  for (const one of problems) console.log(mark.faint(`    left out: ${shown(one)}`));
}

async function ebaCopy(folder: string): Promise<ShownCopy | undefined> {
  const copy = await keptRegister(folder);
  if (copy === undefined) return undefined;
  const { state, entities } = copy;
  const institutions = entities.length;
  const summary = `${institutions} institutions of ${state.recordCount} records, copy of ${timeText(state.snapshotAt)}`;
  return { ...state, summary, facts: { ...state, institutions } };
}

async function ukCopy(folder: string): Promise<ShownCopy | undefined> {
  const copy = await keptDirectory(folder);
  if (copy === undefined) return undefined;
  const { state, participants } = copy;
  const active = participants.filter(({ isActive }) => isActive).length;
  const summary = `${participants.length} participants, ${active} of them active`;
  return { ...state, summary, facts: { ...state, participants: participants.length, active } };
}

function overdue(copy: ShownCopy | undefined, source: { readonly maxAgeSeconds: number }): Date | undefined {
  if (copy === undefined) return undefined;
  const end = new Date(copy.fetchedAt.getTime() + source.maxAgeSeconds * 1000);
  return systemClock.now() > end ? end : undefined;
}
