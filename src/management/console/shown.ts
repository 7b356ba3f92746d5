/** The forms of values on the pages of the console. All times are UTC, as those of the log. */

export interface Chip {
  readonly text: string;
  /** The meaning of its colour, which the text says as well. */
  readonly kind: 'good' | 'fair' | 'poor' | 'over' | 'plain';
}

const MINUTE_SECONDS = 60;
const HOUR_SECONDS = 3600;
const DAY_SECONDS = 86_400;
const FAIR_DAYS = 60;
const POOR_DAYS = 14;

export function instant(text: string | undefined): string {
  return text === undefined ? '' : `${text.slice(0, 10)} ${text.slice(11, 19)}`;
}

export function day(text: string | undefined): string {
  return text === undefined ? '' : text.slice(0, 10);
}

/** `12 s`, `5 min`, `3 h`, `2 d`. */
export function duration(seconds: number): string {
  if (seconds < 2 * MINUTE_SECONDS) return `${seconds} s`;
  if (seconds < 2 * HOUR_SECONDS) return `${Math.floor(seconds / MINUTE_SECONDS)} min`;
  if (seconds < 2 * DAY_SECONDS) return `${Math.floor(seconds / HOUR_SECONDS)} h`;
  return `${Math.floor(seconds / DAY_SECONDS)} d`;
}

export function count(number: number): string {
  return number.toLocaleString('en-GB');
}

export function expiryChip(daysLeft: number | undefined): Chip | undefined {
  if (daysLeft === undefined) return undefined;
  if (daysLeft === 0) return { text: 'expired', kind: 'over' };
  const text = daysLeft === 1 ? '1 day' : `${count(daysLeft)} days`;
  return { text, kind: daysLeft <= POOR_DAYS ? 'poor' : daysLeft <= FAIR_DAYS ? 'fair' : 'good' };
}

const STATUS_KINDS: Readonly<Record<string, Chip['kind']>> = {
  active: 'good',
  authorised: 'good',
  signing: 'good',
  passed: 'good',
  accepted: 'good',
  'awaiting-approval': 'fair',
  'awaiting-authorisation': 'fair',
  next: 'fair',
  suspended: 'poor',
  disabled: 'poor',
  ending: 'poor',
  revoked: 'poor',
  refused: 'poor',
  blocked: 'poor',
  withdrawn: 'over',
  unregistered: 'over',
};

export function statusChip(status: string): Chip {
  return { text: status.replaceAll('-', ' '), kind: STATUS_KINDS[status] ?? 'plain' };
}

/** Roles of PSD2 in the letters that everyone uses. */
export function roleText(role: string): string {
  return role.replace(/^PSP_/, '');
}

/** `AI PI → AI`: a list before a change and after it; one list where both are equal, or one is absent. */
export function changeText(
  before: readonly string[] | undefined,
  after: readonly string[] | undefined,
): string {
  const [was, is] = [before, after].map((list) => list && (list.join(' ') || 'none'));
  if (was === undefined || is === undefined || was === is) return was ?? is ?? '';
  return `${was} → ${is}`;
}
