import { count } from './shown.ts';

interface MinuteCounts {
  readonly at: string;
  readonly tokens: number;
  readonly refusals: number;
}

const BAR = 10;
const GAP = 2;
const HEIGHT = 120;
const BASE = HEIGHT + 4;
const LABELS = 18;

/**
 * Tokens and refusals by the minute, as an SVG that stands in the page: refusals on top of tokens, each minute with its
 * numbers as a title. The same figures are in a sentence for those who do not see it.
 */
export function activityChart(minutes: readonly MinuteCounts[]): string {
  const most = Math.max(...minutes.map(({ tokens, refusals }) => tokens + refusals), 1);
  const width = minutes.length * (BAR + GAP);
  const tall = (number: number) => Math.round((number / most) * HEIGHT * 10) / 10;
  const bars = minutes.map(({ at, tokens, refusals }, index) => {
    const x = index * (BAR + GAP);
    const served = tall(tokens);
    const refused = refusals === 0 ? 0 : Math.max(tall(refusals), 2);
    const title = `${at.slice(11, 16)}: ${count(tokens)} tokens, ${count(refusals)} refusals`;
    return (
      `<g><title>${title}</title><rect class="room" x="${x}" y="0" width="${BAR + GAP}" height="${BASE}"/>` +
      `<rect class="tokens" x="${x}" y="${BASE - served}" width="${BAR}" height="${served}"/>` +
      `<rect class="refusals" x="${x}" y="${BASE - served - refused}" width="${BAR}" height="${refused}"/></g>`
    );
  });
  const [first] = minutes;
  const last = minutes.at(-1);
  const label = `Tokens and refusals by the minute; at most ${count(most)} in one`;
  return (
    `<svg class="chart" viewBox="0 -6 ${width} ${BASE + LABELS + 6}" role="img" aria-label="${label}">` +
    `${bars.join('')}<line class="axis" x1="0" y1="${BASE}" x2="${width}" y2="${BASE}"/>` +
    `<text x="0" y="${BASE + 4}">${first?.at.slice(11, 16) ?? ''}</text>` +
    `<text class="end" x="${width}" y="${BASE + 4}">${last?.at.slice(11, 16) ?? ''}</text></svg>`
  );
}
