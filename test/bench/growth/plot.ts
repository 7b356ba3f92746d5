/** What one panel of a plot shows. */
export interface Panel {
  readonly title: string;
  readonly values: readonly number[];
}

const WIDTH = 250;
const HEIGHT = 170;
const LEFT = 56;
const TOP = 34;
const INNER_WIDTH = WIDTH - LEFT - 16;
const INNER_HEIGHT = 86;
const STEPS = 4;
const STYLE = `
  text { font: 11px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .grid { stroke: #d0d7de }
  .line { stroke: #0969da; stroke-width: 2; fill: none }
  .dot { fill: #0969da }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .grid { stroke: #3d444d }
    .line { stroke: #4493f8 }
    .dot { fill: #4493f8 }
  }`;

/** Panels side by side over one logarithmic axis, as SVG for light and dark pages. Each ordinate begins at 0. */
export function plotOf(axis: string, at: readonly number[], panels: readonly Panel[]): string {
  const label = `${axis}: ${panels.map(({ title }) => title).join(', ')}`;
  const drawn = panels.map((panel, column) => panelOf(axis, at, panel, column * WIDTH));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${panels.length * WIDTH} ${HEIGHT}" role="img" aria-label="${label}">`,
    `<style>${STYLE}\n</style>`,
    ...drawn.flat(),
    '</svg>\n',
  ].join('\n');
}

function panelOf(
  axis: string,
  at: readonly number[],
  { title, values }: Panel,
  offset: number,
): readonly string[] {
  const [first = 1, last = first] = [at[0], at.at(-1)];
  const span = Math.log(last / first) || 1;
  const top = roundUp(Math.max(...values));
  const x = (value: number) => (offset + LEFT + (INNER_WIDTH * Math.log(value / first)) / span).toFixed(1);
  const y = (value: number) => (TOP + INNER_HEIGHT * (1 - value / top)).toFixed(1);
  const grid = Array.from({ length: STEPS + 1 }, (_, step) => {
    const value = (top * step) / STEPS;
    const [from, to] = [offset + LEFT, offset + LEFT + INNER_WIDTH];
    return (
      `<line class="grid" x1="${from}" x2="${to}" y1="${y(value)}" y2="${y(value)}"/>` +
      `<text x="${from - 6}" y="${Number(y(value)) + 4}" text-anchor="end">${shortNumber(value)}</text>`
    );
  });
  const marks = at.map(
    (value) =>
      `<text x="${x(value)}" y="${TOP + INNER_HEIGHT + 16}" text-anchor="middle">${shortNumber(value)}</text>`,
  );
  const points = values.map((value, index) => `${x(at[index] ?? first)},${y(value)}`);
  const middle = offset + LEFT + INNER_WIDTH / 2;
  return [
    `<text class="title" x="${offset + LEFT}" y="18">${title}</text>`,
    ...grid,
    ...marks,
    `<text x="${middle}" y="${TOP + INNER_HEIGHT + 36}" text-anchor="middle">${axis}</text>`,
    `<polyline class="line" points="${points.join(' ')}"/>`,
    ...points.map((point) => {
      const [cx, cy] = point.split(',');
      return `<circle class="dot" cx="${cx}" cy="${cy}" r="3"/>`;
    }),
  ];
}

/** The next of 1, 2, 2.5, 4, 5 or 8 times a power of ten. */
function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 2.5, 4, 5, 8, 10].find((one) => one * power >= value) ?? 10);
}

function shortNumber(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  if (value >= 1e4) return `${Number((value / 1e3).toPrecision(3))} k`;
  return String(Number(value.toPrecision(3)));
}
