import fc from 'fast-check';
import { expect, test } from 'vitest';
import { makeLimit, once } from './asynchronous.ts';

test('never more at once than allowed, all in their order, and a failure gives its place away', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(fc.boolean()), fc.scheduler(), async (most, fates, s) => {
      const limit = makeLimit(most);
      const begun: number[] = [];
      let running = 0;
      const use = async (fails: boolean, index: number) => {
        begun.push(index);
        running += 1;
        expect(running).toBeLessThanOrEqual(most);
        await s.schedule(Promise.resolve());
        running -= 1;
        if (fails) throw new Error('one of them');
        return index;
      };
      const all = Promise.allSettled(fates.map((fails, index) => limit(() => use(fails, index))));
      await s.waitFor(all);
      expect(begun).toEqual(fates.map((_, index) => index));
      const results = (await all).map((one) => (one.status === 'fulfilled' ? one.value : undefined));
      expect(results).toEqual(fates.map((fails, index) => (fails ? undefined : index)));
    }),
  );
});

test('once: made when it is asked for, and not again', async () => {
  let made = 0;
  const get = once(async () => (made += 1));
  expect(made).toBe(0);
  expect(await Promise.all([get(), get()])).toEqual([1, 1]);
});
