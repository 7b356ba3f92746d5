import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseYaml } from '../src/configuration/yaml-document.ts';
import { invalidConfig } from '../src/errors.ts';
import { type Combination, chosenCombinations } from './combinations.ts';
import { KEY_ALGORITHMS, type KeyAlgorithm } from './client-keys.ts';

const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export const USAGE = `npm run conformance -- --suite URL [flags]

  --suite URL            address of a running conformance suite
  --suite-ca FILE        CA of its certificate (a suite on this machine needs none)
  --combinations LIST    names or patterns, with commas: sp-*,ciba-jwt-ping (default: all)
  --modules LIST         ends of modules' names, with commas: happy-flow,*refresh-token (default: all)
  --keep-going           go on after a module that ended as it should not
  --at-once N            combinations at a time (default 2)
  --alias NAME           start of the suite's aliases (default tallystick)
  --keys ALGORITHM       ${KEY_ALGORITHMS.join(', ')} (default PS256)
  --user NAME            demo customer who logs in (default: the first)
  --settings FILE        YAML or JSON, merged into the server's configuration: lifetimes, limits, …
  --host NAME            name in the server's addresses instead of localhost
  --port N               port of the front channel; mTLS, bank, TPP and app follow (default: any free ones)
  --stuck N              seconds after which a module that logs nothing is given up (default 90)
  --output FOLDER        logs, configurations, junit.xml (default .tallystick/conformance)
  --expected FILE        (default conformance/expected.json)
  --page FILE            page that gets the table (default docs/conformance.md)
  --no-page              write no page
  --verbose              report every module
  --serve                run nothing: write the configurations, and serve until Ctrl+C

The environment variable CONFORMANCE_TOKEN is the API token of a suite that asks for one.`;

export interface CommandOptions {
  readonly suite: URL;
  readonly suiteCaFile: string | undefined;
  readonly token: string | undefined;
  readonly combinations: readonly Combination[];
  readonly modules: readonly string[];
  readonly keepsGoing: boolean;
  readonly atOnce: number;
  readonly alias: string;
  readonly keyAlgorithm: KeyAlgorithm;
  readonly username: string | undefined;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly host: string | undefined;
  readonly port: number;
  readonly stuckSeconds: number;
  readonly folder: string;
  readonly expectedFile: string;
  /** Absent = no page is written. */
  readonly page: string | undefined;
  readonly isVerbose: boolean;
  /** Whether a person drives the suite. */
  readonly isServing: boolean;
}

/** @throws ERR_CONFIG_INVALID with the flag that is wrong */
export function parseCommand(words: readonly string[]): CommandOptions {
  const values = flagsOf(words);
  const keyAlgorithm = KEY_ALGORITHMS.find((one) => one === values.keys);
  if (keyAlgorithm === undefined) throw wrongFlag('--keys', `must be one of ${KEY_ALGORITHMS.join(', ')}`);
  if (!/^[\w-]{1,60}$/.test(values.alias)) throw wrongFlag('--alias', 'must be letters, digits, - and _');
  return {
    suite: suiteAddress(values.suite),
    suiteCaFile: values['suite-ca'],
    token: process.env.CONFORMANCE_TOKEN,
    combinations: chosenCombinations(listOf(values.combinations)),
    modules: listOf(values.modules),
    keepsGoing: values['keep-going'],
    atOnce: numberOf('--at-once', values['at-once'], { from: 1, to: 8 }),
    alias: values.alias,
    keyAlgorithm,
    username: values.user,
    settings: values.settings === undefined ? {} : settingsOf(values.settings),
    host: values.host,
    port: numberOf('--port', values.port, { from: 0, to: 65_531 }),
    stuckSeconds: numberOf('--stuck', values.stuck, { from: 5, to: 3600 }),
    folder: values.output,
    expectedFile: values.expected,
    page: values['no-page'] ? undefined : values.page,
    isVerbose: values.verbose,
    isServing: values.serve,
  };
}

function flagsOf(words: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const options = {
    suite: text,
    'suite-ca': text,
    combinations: text,
    modules: text,
    'keep-going': flag,
    'at-once': { ...text, default: '2' },
    alias: { ...text, default: 'tallystick' },
    keys: { ...text, default: 'PS256' },
    user: text,
    settings: text,
    host: text,
    port: { ...text, default: '0' },
    stuck: { ...text, default: '90' },
    output: { ...text, default: '.tallystick/conformance' },
    expected: { ...text, default: fileOf('expected.json') },
    page: { ...text, default: fileOf('../docs/conformance.md') },
    'no-page': flag,
    verbose: flag,
    serve: flag,
  } as const;
  try {
    return parseArgs({ args: [...words], options }).values;
  } catch (error) {
    throw wrongFlag('flags', error instanceof Error ? error.message : String(error));
  }
}

function wrongFlag(flag: string, message: string): Error {
  return invalidConfig('command line', [{ path: flag, message }]);
}

function suiteAddress(text: string | undefined): URL {
  const url = URL.parse(text ?? '');
  if (url?.protocol !== 'https:') throw wrongFlag('--suite', 'must be the https address of a suite');
  return url;
}

function listOf(text = ''): readonly string[] {
  return text.split(',').filter((word) => word !== '');
}

function numberOf(flag: string, text: string, range: { readonly from: number; readonly to: number }): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < range.from || number > range.to) {
    throw wrongFlag(flag, `must be a number from ${range.from} to ${range.to}`);
  }
  return number;
}

function settingsOf(file: string): Readonly<Record<string, unknown>> {
  const { value: settings } = parseYaml(readFileSync(file, 'utf8'), file);
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) {
    throw wrongFlag('--settings', `${file} must be a map of settings`);
  }
  return { ...settings };
}
