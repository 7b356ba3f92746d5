import { pathToFileURL } from 'node:url';
import { invalidConfig } from '../errors.ts';
import type { Aspsp, Config, DecoupledApproval, StrongAuthentication } from '../index.ts';

/** For a module that connects to the bank's core before it answers. */
const LOAD_SECONDS = 60;

/**
 * Loads the bank's module, and has it make the bank (docs/bank-module.md). Undefined where the application of the bank asks
 * customers, and there is no module.
 *
 * @throws ERR_CONFIG_INVALID when the module is missing, throws, makes something else, or is not ready within `seconds`
 */
export async function loadAspsp(
  { aspspModule: file, bankApp }: Pick<Config, 'aspspModule' | 'bankApp'>,
  { source, seconds = LOAD_SECONDS }: { readonly source: string; readonly seconds?: number },
): Promise<Aspsp | undefined> {
  const invalid = (message: string, cause?: unknown) =>
    invalidConfig(source, [{ path: 'aspspModule', message }], cause);
  if (file === undefined && bankApp !== undefined) return undefined;
  if (file === undefined)
    throw invalid('is required to serve, or bankApp: the server has no login of its own');
  let timer: NodeJS.Timeout | undefined;
  // The timer holds the process: without it a start that hangs would end without a word.
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(invalid(`is not ready after ${seconds} seconds`)), seconds * 1000);
  });
  const made = async () => {
    const loaded: Record<string, unknown> = await import(pathToFileURL(file).href).catch((cause: unknown) => {
      throw invalid('cannot be loaded', cause);
    });
    const { createAspsp } = loaded;
    if (typeof createAspsp !== 'function') throw invalid('does not export a function createAspsp');
    const called = async (): Promise<unknown> => createAspsp();
    return called().catch((cause: unknown) => {
      throw invalid('createAspsp throws', cause);
    });
  };
  try {
    const aspsp: Partial<Aspsp> = Object(await Promise.race([made(), late]));
    const problem = problemOf(aspsp);
    if (problem !== undefined) throw invalid(problem);
    return aspsp as Aspsp;
  } finally {
    clearTimeout(timer);
  }
}

/** Each function of the contract is there, and each optional one is a function: the first customer would find the fault else. */
function problemOf(aspsp: Partial<Aspsp>): string | undefined {
  const { name, answerAuthentication, listAccounts, beginAuthentication, findClaims } = aspsp;
  if (!isName(name) || !areFunctions([answerAuthentication, listAccounts])) {
    return 'createAspsp must answer with name, answerAuthentication and listAccounts';
  }
  if (!areFunctions([beginAuthentication, findClaims].filter(isThere))) {
    return 'beginAuthentication and findClaims must be functions where they are there';
  }
  const asks: Partial<DecoupledApproval> | undefined = aspsp.decoupled && Object(aspsp.decoupled);
  if (asks && !areFunctions([asks.connect, asks.findCustomer, asks.startApproval])) {
    return 'decoupled must have connect, findCustomer and startApproval';
  }
  const strong: Partial<StrongAuthentication> | undefined = aspsp.strong && Object(aspsp.strong);
  const ofStrong = [strong?.connect, strong?.sendCode, strong?.askInApp, strong?.exempts].filter(isThere);
  if (strong && !areFunctions([strong.findFactors, ...ofStrong])) {
    return 'strong must have findFactors; connect, sendCode, askInApp and exempts must be functions where they are there';
  }
  return undefined;
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== '';
}

function isThere(value: unknown): boolean {
  return value !== undefined;
}

function areFunctions(values: readonly unknown[]): boolean {
  return values.every((value) => typeof value === 'function');
}
