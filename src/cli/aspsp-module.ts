import { pathToFileURL } from 'node:url';
import { invalidConfig } from '../errors.ts';
import type { Aspsp, Config, DecoupledApproval } from '../index.ts';

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
    const isWhole =
      'name' in aspsp &&
      [aspsp.answerAuthentication, aspsp.listAccounts].every((one) => typeof one === 'function');
    if (!isWhole) throw invalid('createAspsp must answer with name, answerAuthentication and listAccounts');
    const asks: Partial<DecoupledApproval> | undefined = aspsp.decoupled && Object(aspsp.decoupled);
    const members = [asks?.connect, asks?.findCustomer, asks?.startApproval];
    if (asks !== undefined && !members.every((one) => typeof one === 'function')) {
      throw invalid('decoupled must have connect, findCustomer and startApproval');
    }
    return aspsp as Aspsp;
  } finally {
    clearTimeout(timer);
  }
}
