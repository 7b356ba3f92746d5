import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Eta } from 'eta/core';

const FOLDER = fileURLToPath(new URL('templates/', import.meta.url));
const EXTENSION = '.eta';

/** The templates by their names, compiled at the start: no file is read for a page. */
export class PageTemplates {
  readonly #eta = new Eta({ autoEscape: true });

  /** @param own templates of the bank, which replace those of the same name. @throws EtaParseError */
  constructor(own: ReadonlyMap<string, string> = new Map()) {
    for (const name of TEMPLATE_NAMES) {
      this.#eta.loadTemplate(name, own.get(name) ?? readFileSync(`${FOLDER}${name}${EXTENSION}`, 'utf8'));
    }
  }

  render(name: string, view: object): string {
    return this.#eta.render(name, view);
  }
}

/** Names of templates: of those in sub-folders, such as `dashboard/consents`, with the folder. */
export const TEMPLATE_NAMES: readonly string[] = Object.freeze(
  readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(EXTENSION))
    .map((path) => path.slice(0, -EXTENSION.length).replaceAll('\\', '/'))
    .toSorted(),
);
