import { randomUUID } from 'node:crypto';
import { authorize } from '../authorization-request.ts';
import type { Walk } from '../walk.ts';

const ATTEMPTS = 5;

/** Five wrong passwords in any number of authorizations; the sixth is not judged (RTS article 4(3)(b)). */
export async function showSixthAttempt(walk: Walk): Promise<void> {
  const tpp = await walk.connect('money-one');
  const { caFile } = walk.description;
  // A name of this walk only: the customers of the demo bank can log in afterwards.
  const username = `stranger-${randomUUID().slice(0, 8)}`;
  const attempt = async (words: RegExp) => {
    const answer = { decision: 'allow', username, password: 'guessed' } as const;
    const problem = await authorize(tpp, { caFile, answer }).then(
      () => 'it was allowed',
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (!words.test(problem)) throw new Error(problem);
    return problem;
  };
  await walk.succeeds(
    `${ATTEMPTS} wrong passwords for one name, each in an authorization of its own`,
    async () => {
      for (let at = 0; at < ATTEMPTS; at += 1) await attempt(/do not belong together|not right/);
    },
    () => 'each was refused without a reason',
  );
  await walk.succeeds(
    'the sixth attempt is not judged',
    () => attempt(/too many/i),
    (problem) => /[^.]*too many[^.]*\./i.exec(problem)?.[0]?.trim() ?? problem,
  );
}
