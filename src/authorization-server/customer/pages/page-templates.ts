import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Eta, type TemplateFunction } from 'eta/core';
import { isRefusal, OpenBankingError } from '../../../errors.ts';

const FOLDER = fileURLToPath(new URL('templates/', import.meta.url));
const EXTENSION = '.eta';

/** Eta, for templates that were compiled with `debug`: these call `RuntimeErr` with the line at which they threw. */
class TracedEta extends Eta {
  override RuntimeErr = (cause: unknown, _text: string, line: number, template: string): never => {
    throw templateFault(cause, { template, line });
  };
}

/** The templates by their names, compiled at the start: no file is read for a page. */
export class PageTemplates {
  readonly #eta = new TracedEta({ autoEscape: true });
  /** Without those of the bank. */
  readonly #builtIn: Eta;

  /** @param own templates of the bank, which replace those of the same name. @throws Error with template and place */
  constructor(own: ReadonlyMap<string, string> = new Map()) {
    this.#builtIn = own.size === 0 ? this.#eta : new Eta({ autoEscape: true });
    for (const name of TEMPLATE_NAMES) {
      const text = readFileSync(`${FOLDER}${name}${EXTENSION}`, 'utf8');
      this.#builtIn.loadTemplate(name, text);
      const ofBank = own.get(name);
      if (ofBank !== undefined) this.#eta.loadTemplate(name, ownTemplate(this.#eta, name, ofBank));
      else if (this.#builtIn !== this.#eta) this.#eta.loadTemplate(name, text);
    }
  }

  /** @throws ERR_PAGE_TEMPLATE when a template of the bank throws */
  render(name: string, view: object): string {
    return this.#eta.render(name, view);
  }

  /** The page without the bank's templates. */
  renderBuiltIn(name: string, view: object): string {
    return this.#builtIn.render(name, view);
  }
}

/** Names of templates: of those in sub-folders, such as `dashboard/consents`, with the folder. */
export const TEMPLATE_NAMES: readonly string[] = Object.freeze(
  readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(EXTENSION))
    .map((path) => path.slice(0, -EXTENSION.length).replaceAll('\\', '/'))
    .toSorted(),
);

/** A template of the bank: a throw in it becomes ERR_PAGE_TEMPLATE. */
function ownTemplate(eta: Eta, name: string, text: string): TemplateFunction {
  const template = `${name}${EXTENSION}`;
  const compiled = compileOwn(eta, template, text);
  return function render(this: Eta, view, options): string {
    try {
      return compiled.call(this, view, { ...options, filepath: template });
    } catch (cause) {
      throw templateFault(cause, { template });
    }
  };
}

function compileOwn(eta: Eta, template: string, text: string): TemplateFunction {
  try {
    return eta.withConfig({ debug: true }).compile(text);
  } catch {
    // Between a block and its `else` in the next tag, the number of the line is a syntax error: such a template has none.
    return compilePlainly(eta, template, text);
  }
}

function compilePlainly(eta: Eta, template: string, text: string): TemplateFunction {
  try {
    return eta.compile(text);
  } catch (cause) {
    const lines =
      cause instanceof Error ? cause.message.split('\n').filter((line) => line.trim() !== '') : [];
    throw new Error([template, ...lines.slice(0, 2).map((line) => line.trim())].join(': '), { cause });
  }
}

/** The innermost template that threw is the one to mend. */
function templateFault(
  cause: unknown,
  place: { readonly template: string; readonly line?: number },
): OpenBankingError<'ERR_PAGE_TEMPLATE'> {
  if (isRefusal(cause, 'ERR_PAGE_TEMPLATE')) return cause;
  return new OpenBankingError('ERR_PAGE_TEMPLATE', place, { cause });
}
