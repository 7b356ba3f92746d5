/** The colours of the pages, each `#rrggbb`. */
export interface Colours {
  /** Text. */
  readonly ink: string;
  /** Text of less weight. */
  readonly muted: string;
  /** Behind the content. */
  readonly paper: string;
  /** Behind the page and behind blocks of the content. */
  readonly ground: string;
  /** Borders of fields. */
  readonly line: string;
  /** Rules between blocks. */
  readonly hair: string;
  /** Links, buttons and the name of the bank. */
  readonly brand: string;
  /** Text on buttons. */
  readonly onBrand: string;
  /** Sentences about a problem. */
  readonly problem: string;
}

export type ColourScheme = 'light' | 'dark';
/** The colours that a bank replaces. */
export type OwnColours = { readonly [Scheme in ColourScheme]?: OwnScheme | undefined };
type OwnScheme = { readonly [Name in keyof Colours]?: Colours[Name] | undefined };

const DEFAULTS: Readonly<Record<ColourScheme, Colours>> = {
  light: {
    ink: '#16202e',
    muted: '#56627a',
    paper: '#ffffff',
    ground: '#f3f5f9',
    line: '#737f95',
    hair: '#dde2ea',
    brand: '#0b4f8a',
    onBrand: '#ffffff',
    problem: '#a11212',
  },
  dark: {
    ink: '#e9edf5',
    muted: '#a9b4c8',
    paper: '#18212f',
    ground: '#0d131d',
    line: '#8f9bb3',
    hair: '#2c3950',
    brand: '#8cc4f5',
    onBrand: '#0d131d',
    problem: '#ffb3ab',
  },
};
export const COLOUR_NAMES = Object.freeze(Object.keys(DEFAULTS.light)) as readonly (keyof Colours)[];
const SCHEMES = ['light', 'dark'] as const;

/** WCAG 2.2 §1.4.3 for text, §1.4.11 for the borders of fields. */
const TEXT = 4.5;
const BORDER = 3;
const PAIRS: readonly (readonly [keyof Colours, keyof Colours, number])[] = [
  ['ink', 'paper', TEXT],
  ['ink', 'ground', TEXT],
  ['muted', 'paper', TEXT],
  ['muted', 'ground', TEXT],
  ['brand', 'paper', TEXT],
  ['brand', 'ground', TEXT],
  ['onBrand', 'brand', TEXT],
  ['problem', 'paper', TEXT],
  ['problem', 'ground', TEXT],
  ['line', 'paper', BORDER],
];

export function coloursOf(own: OwnColours, scheme: ColourScheme): Colours {
  const given = Object.entries(own[scheme] ?? {}).filter(([, colour]) => colour !== undefined);
  return { ...DEFAULTS[scheme], ...Object.fromEntries(given) };
}

/** Each pair of colours that a customer could not read, by the path of the first. */
export function findContrastProblems(own: OwnColours): readonly { path: string; message: string }[] {
  return SCHEMES.flatMap((scheme) => {
    const colours = coloursOf(own, scheme);
    return PAIRS.flatMap(([above, below, least]) => {
      const contrast = contrastOf(colours[above], colours[below]);
      if (contrast >= least) return [];
      const message = `has the contrast ${contrast.toFixed(2)} to ${below}, and needs ${least}`;
      return [{ path: `pages.colours.${scheme}.${above}`, message }];
    });
  });
}

/** The colours as custom properties of the stylesheet. */
export function colourRules(own: OwnColours): string {
  const rules = (scheme: ColourScheme) =>
    Object.entries(coloursOf(own, scheme))
      .map(
        ([name, colour]) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}:${colour}`,
      )
      .join(';');
  return `:root{${rules('light')}}\n@media (prefers-color-scheme: dark){:root{${rules('dark')}}}\n`;
}

/** The ratio of the luminances (WCAG 2.2, "contrast ratio"). */
export function contrastOf(a: string, b: string): number {
  const [low = 0, high = 0] = [luminanceOf(a), luminanceOf(b)].toSorted((one, other) => one - other);
  return (high + 0.05) / (low + 0.05);
}

/** WCAG 2.2, "relative luminance". */
function luminanceOf(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
