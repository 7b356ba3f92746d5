import { join } from 'node:path';
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/longest-first.ts';

// Compiled once for all workers, and for the hundreds of commands and servers that tests start: half of the CPU time of
// a start is the compilation of the program.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/compiled');

// biome-ignore lint/style/noDefaultExport: vitest reads the default export
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/endurance/**'],
    globalSetup: 'test/run-folder.ts',
    pool: 'forks',
    // Half of the time of the tests is waiting: three files share two cores.
    maxWorkers: Math.max(3, availableParallelism() - 1),
    sequence: { sequencer: LongestFirst },
    // Node runs the files as it runs the program: no transformation, and the cache above applies.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    // For a busy machine: the default is one second.
    expect: { poll: { timeout: 10_000 } },
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
