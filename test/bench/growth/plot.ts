/** What one panel of a plot shows: a line, or one for each name of the plot. */
export interface Panel {
  /** With its unit. */
  readonly title: string;
  readonly lines: readonly (readonly number[])[];
}

export interface Plot {
  readonly title: string;
  readonly axis: string;
  readonly at: readonly number[];
  /** Of the lines; one line needs no name. */
  readonly names: readonly string[];
  readonly panels: readonly Panel[];
}

const COLUMNS = 3;
const [WIDTH, HEIGHT] = [250, 164];
const [LEFT, TOP, RIGHT] = [50, 30, 18];
const INNER_WIDTH = WIDTH - LEFT - RIGHT;
const INNER_HEIGHT = 84;
const HEADING = 40;
const STEPS = 4;
const STYLE = `
  text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
  .heading { font-size: 15px; font-weight: 600 }
  .title { font-weight: 600 }
  .small { font-size: 11px; fill: #57606a }
  .page { fill: #ffffff }
  .grid { stroke: #d0d7de }
  .line0, .line1 { stroke: #0969da; stroke-width: 2; fill: none }
  .dot0 { fill: #0969da }
  .line1 { stroke: #bc4c00; stroke-dasharray: 5 3 }
  .dot1 { fill: #bc4c00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    .page { fill: #0d1117 }
    .grid { stroke: #3d444d }
    .line0 { stroke: #4493f8 }
    .dot0 { fill: #4493f8 }
    .line1 { stroke: #f0883e }
    .dot1 { fill: #f0883e }
  }`;

/** Panels over one logarithmic axis, as SVG for light and dark pages. Each ordinate begins at 0. */
export function plotOf(plot: Plot): string {
  const { title, panels, names } = plot;
  const rows = Math.ceil(panels.length / COLUMNS);
  const [width, height] = [COLUMNS * WIDTH, HEADING + rows * HEIGHT];
  const label = `${title}: ${panels.map((panel) => panel.title).join(', ')}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}">`,
    `<style>${STYLE}\n</style>`,
    `<rect class="page" width="${width}" height="${height}"/>`,
    `<text class="heading" x="12" y="24">${title}</text>`,
    ...(names.length > 1 ? legendOf(names, width) : []),
    ...panels.flatMap((panel, at) =>
      panelOf(plot, panel, { x: (at % COLUMNS) * WIDTH, y: HEADING + Math.floor(at / COLUMNS) * HEIGHT }),
    ),
    '</svg>\n',
  ].join('\n');
}

function legendOf(names: readonly string[], width: number): readonly string[] {
  return names.flatMap((name, at) => {
    const [x, y] = [width - 220, 14 + at * 15];
    return [
      `<line class="line${at}" x1="${x}" x2="${x + 28}" y1="${y}" y2="${y}"/>`,
      `<text class="small" x="${x + 36}" y="${y + 4}">${name}</text>`,
    ];
  });
}

function panelOf(
  { axis, at }: Plot,
  { title, lines }: Panel,
  corner: { readonly x: number; readonly y: number },
): readonly string[] {
  const [first = 1, last = first] = [at[0], at.at(-1)];
  const span = Math.log(last / first) || 1;
  const top = roundUp(Math.max(...lines.flat()));
  const [left, upper] = [corner.x + LEFT, corner.y + TOP];
  const x = (value: number) => (left + (INNER_WIDTH * Math.log(value / first)) / span).toFixed(1);
  const y = (value: number) => (upper + INNER_HEIGHT * (1 - value / top)).toFixed(1);
  const grid = Array.from({ length: STEPS + 1 }, (_, step) => {
    const value = (top * step) / STEPS;
    return (
      `<line class="grid" x1="${left}" x2="${left + INNER_WIDTH}" y1="${y(value)}" y2="${y(value)}"/>` +
      `<text class="small" x="${left - 6}" y="${Number(y(value)) + 4}" text-anchor="end">${shortNumber(value)}</text>`
    );
  });
  const below = upper + INNER_HEIGHT;
  const marks = at.map(
    (value) =>
      `<text class="small" x="${x(value)}" y="${below + 16}" text-anchor="middle">${shortNumber(value)}</text>`,
  );
  const drawn = lines.flatMap((values, line) => {
    const points = values.map((value, index) => [x(at[index] ?? first), y(value)] as const);
    return [
      `<polyline class="line${line}" points="${points.map((point) => point.join(',')).join(' ')}"/>`,
      ...points.map(([cx, cy]) => `<circle class="dot${line}" cx="${cx}" cy="${cy}" r="3"/>`),
    ];
  });
  const middle = left + INNER_WIDTH / 2;
  return [
    `<text class="title" x="${corner.x + 12}" y="${corner.y + 16}">${title}</text>`,
    ...grid,
    ...marks,
    `<text class="small" x="${middle}" y="${below + 34}" text-anchor="middle">${axis}</text>`,
    ...drawn,
  ];
}

/** The next of 1, 2, 4, 6, 8 or 10 times a power of ten: a quarter of each is a short number. */
function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 4, 6, 8].find((one) => one * power >= value) ?? 10);
}

function shortNumber(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  if (value >= 1e4) return `${Number((value / 1e3).toPrecision(3))} k`;
  return String(Number(value.toPrecision(3)));
}
