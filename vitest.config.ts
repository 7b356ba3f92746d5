import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// biome-ignore lint/style/noDefaultExport: vitest reads the default export
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/endurance/**'],
    pool: 'forks',
    // Half of the time of the tests is waiting, so that two files share a core.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // For a busy machine: the default is one second.
    expect: { poll: { timeout: 10_000 } },
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
