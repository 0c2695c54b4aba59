import { defineConfig } from 'vitest/config';

/** Each file is a comparison with what a user would run instead. One at a time: nothing else may run beside what is measured. */
export default defineConfig({
  test: {
    include: ['bench/*.bench.ts'],
    testTimeout: 7_200_000,
    hookTimeout: 1_200_000,
    fileParallelism: false,
    disableConsoleIntercept: true,
  },
});
