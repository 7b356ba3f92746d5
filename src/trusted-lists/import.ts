import type { ListFolder } from './list-folder.ts';
import { pivotName } from './list-folder.ts';
import type { ListFile } from './list-of-lists.ts';
import { typeAndTerritory } from './list/trusted-list.ts';
import type { ProvingThread } from './proving-thread.ts';
import { assertSuccessor } from './successor.ts';

export interface ImportParts {
  readonly folder: ListFolder;
  /** DER of the certificates that the Official Journal has published. */
  readonly officialJournal: readonly Uint8Array[];
  readonly thread: Pick<ProvingThread, 'prove'>;
}

/**
 * Proves lists that were fetched elsewhere, and puts them into the folder: pivots, by their file names, the list of the
 * lists, then national lists. Either all of the files are good, or none of them is put there.
 *
 * @returns what was imported, such as `EU 332`
 * @throws ERR_TRUSTED_LIST_*
 */
export async function importLists(files: readonly ListFile[], parts: ImportParts): Promise<string[]> {
  const { folder, officialJournal, thread } = parts;
  await folder.open();
  const before = await folder.snapshot();
  const pivots = files.flatMap((file) => {
    const name = pivotName(`file:///${file.source.split(/[\\/]/).at(-1)}`);
    return name === undefined ? [] : [{ name, file }];
  });
  const lists = files
    .filter((file) => !pivots.some((pivot) => pivot.file === file))
    .map((file) => ({ file, ...typeAndTerritory(file) }));
  const given = lists.find(({ territory }) => territory === 'EU')?.file;
  const file = given ?? (await folder.list('EU'));
  if (file === undefined) throw new TypeError('the list of the lists is not there yet: import it too');
  const allPivots = [...(await folder.pivots()), ...pivots.map((pivot) => pivot.file)];
  const listOfLists = await thread.prove({
    kind: 'list-of-lists',
    file,
    officialJournal,
    pivots: allPivots,
  });
  assertSuccessor(listOfLists, before?.listOfLists, file.source);
  const proved: { readonly territory: string; readonly number: number; readonly file: ListFile }[] = [];
  if (given !== undefined) proved.push({ territory: 'EU', number: listOfLists.sequenceNumber, file: given });
  for (const one of lists.filter(({ territory }) => territory !== 'EU')) {
    const { territory } = one;
    const signers = listOfLists.pointers
      .filter((pointer) => pointer.territory === territory)
      .flatMap((pointer) => [...pointer.signers]);
    const facts = await thread.prove({
      kind: 'national-list',
      file: one.file,
      pointer: { territory, signers },
    });
    assertSuccessor(
      facts,
      before?.lists.find((list) => list.territory === territory),
      one.file.source,
    );
    proved.push({ territory, number: facts.sequenceNumber, file: one.file });
  }
  for (const pivot of pivots) await folder.keepPivot(pivot.name, pivot.file.bytes);
  for (const one of proved) await folder.keepList(one.territory, one.file.bytes);
  return [...pivots.map(({ name }) => name), ...proved.map((one) => `${one.territory} ${one.number}`)];
}
