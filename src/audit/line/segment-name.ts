const NAME = /^(\d{8}T\d{6}Z-[0-9a-f]{12})\.(\d{6})\.jsonl$/;

/** The name of a chain: its start to the second, and six random bytes. */
export function chainName(start: Date, random: Uint8Array): string {
  const time = start.toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  return `${time}-${Buffer.from(random).toString('hex')}`;
}

/** The file of a chain: the first is number 1. */
export function segmentName(process: string, number: number): string {
  return `${process}.${String(number).padStart(6, '0')}.jsonl`;
}

/** Chain and number of a file; undefined for the name of another file. */
export function parseSegmentName(
  name: string,
): { readonly process: string; readonly number: number } | undefined {
  const [, process, number] = NAME.exec(name) ?? [];
  return process === undefined ? undefined : { process, number: Number(number) };
}

/** The folder in the folder of the record that keeps certificates. */
export const CERTIFICATES_FOLDER = 'certificates';

/** The start of a chain, to the second before. */
export function startOf(process: string): Date {
  const [, day = '', time = ''] = /^(\d{8})T(\d{6})Z/.exec(process) ?? [];
  const parts = [day.slice(0, 4), day.slice(4, 6), day.slice(6)];
  return new Date(`${parts.join('-')}T${time.replace(/(..)(..)(..)/, '$1:$2:$3')}Z`);
}
