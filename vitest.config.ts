import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/helpers/longest-first.ts';

/** vitest leaves a core free for its own process, which hardly needs one. */
const maxWorkers = availableParallelism();

/** unit needs nothing; integration the tools that scripts/install-tools installs; e2e engines and baked guests. */
export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'test/architecture/**/*.test.ts'],
          // Properties are tried a thousand times, beside guests that keep every core busy.
          testTimeout: 60_000,
          maxWorkers,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 180_000,
          maxWorkers,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 1_200_000,
          globalSetup: 'test/helpers/bake-images.ts',
          // A guest under emulation keeps one core busy.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      // Needs more packages than the others: scripts/test --ceph.
      ...(process.env['VIRTAINERS_CEPH'] === '1'
        ? [
            {
              test: { name: 'ceph', include: ['test/ceph/**/*.test.ts'], testTimeout: 600_000, hookTimeout: 1_200_000 },
            },
          ]
        : []),
    ],
  },
});
