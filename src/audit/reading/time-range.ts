import { parseLine } from '../line/audit-line.ts';

/** The lines that are asked for. */
export interface TimeRange {
  readonly from: Date;
  /** Not included. */
  readonly to: Date;
}

/** Lines of one chain stand in the order of their time, but for a clock that was set back by no more than this. */
const CLOCK_MARGIN_MILLISECONDS = 1000;

/** A part of a chain, in which places grow with the time of their lines. */
export interface TimedPlaces {
  /** Places are from 0 up to this one. */
  readonly end: number;
  /** The halving ends with places that are so near. */
  readonly grain: number;
  /** The time of the first whole line at or behind a place; undefined when there is none. */
  timeAt(place: number): Promise<Date | undefined>;
}

/** The places between which the lines of a time are, found by halving: few lines are read. */
export async function placesOf(
  places: TimedPlaces,
  { from, to }: TimeRange,
): Promise<{ readonly start: number; readonly end: number }> {
  const start = await lowerBound(places, new Date(from.getTime() - CLOCK_MARGIN_MILLISECONDS));
  const end = await lowerBound(places, new Date(to.getTime() + CLOCK_MARGIN_MILLISECONDS));
  // The line in which the last place lies belongs to the range, and so do those of one grain.
  return { start, end: Math.min(end + 2 * places.grain, places.end) };
}

/** The time of a line; undefined for a text that is none. */
export function timeOf(line: string): Date | undefined {
  const at = parseLine(line)?.at;
  return at === undefined ? undefined : new Date(at);
}

/** A place before every line from `at` on, and behind most earlier ones. */
async function lowerBound({ end, grain, timeAt }: TimedPlaces, at: Date): Promise<number> {
  let low = 0;
  let high = end;
  while (high - low > grain) {
    const middle = Math.floor((low + high) / 2);
    const time = await timeAt(middle);
    if (time !== undefined && time < at) low = middle;
    else high = middle;
  }
  return low;
}
