import { ATTACKS } from './attack-table.ts';
import type { Target } from './attack.ts';

// A process of its own, so that the attack does not slow down who measures.
process.once('message', ({ name, target }: { readonly name: string; readonly target: Target }) => {
  const attack = ATTACKS.find((one) => one.name === name);
  if (attack === undefined) throw new Error(`there is no attack ${name}`);
  void attack.run(target).then((report) => {
    process.send?.(report, () => process.exit());
  });
});
process.once('disconnect', () => process.exit());
