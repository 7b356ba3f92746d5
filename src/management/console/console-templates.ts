import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Eta } from 'eta/core';

const FOLDER = fileURLToPath(new URL('templates/', import.meta.url));
const EXTENSION = '.eta';

/** The stylesheet of the console. */
export const STYLESHEET = readFileSync(fileURLToPath(new URL('console.css', import.meta.url)), 'utf8');

/** The templates of the console by their names, compiled at the first use. */
export class ConsoleTemplates {
  readonly #eta = new Eta({ autoEscape: true });

  constructor() {
    for (const path of readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })) {
      if (!path.endsWith(EXTENSION)) continue;
      const name = path.slice(0, -EXTENSION.length).replaceAll('\\', '/');
      this.#eta.loadTemplate(name, readFileSync(`${FOLDER}${path}`, 'utf8'));
    }
  }

  render(name: string, view: object): string {
    return this.#eta.render(name, view);
  }
}
