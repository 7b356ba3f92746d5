/*
 * What docs/scale.md computes, beside what runs here. Words after the name: a part, and that part's own words; without
 * them all parts. Each part is in its own file, with its words.
 */
const PARTS = {
  lists: () => import('./status-lists.ts'),
  cluster: () => import('./three-servers.ts'),
  crl: () => import('./one-fetch.ts'),
};
const [, , , part, ...words] = process.argv;
if (part !== undefined && !(part in PARTS))
  throw new Error(`a part is one of: ${Object.keys(PARTS).join(', ')}`);
for (const [name, open] of Object.entries(PARTS)) {
  if (name !== (part ?? name)) continue;
  const { measure } = await open();
  await measure(words);
}
process.exit();
