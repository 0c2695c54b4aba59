import { afterAll, afterEach, beforeAll } from 'vitest';
import { type Engine, startDocker } from './engines.ts';
import { fastImage, RECOMMENDED, startVirtainer, type Virtainer, virtainerNamed } from './virtainer.ts';

/** What every virtainer of the fast guest is started with. */
export const FAST_OPTIONS = ['-e', 'RAM=256', ...RECOMMENDED] as const;

/** A Docker with the fast guest's image in it. Nothing but `start` and `adopt` may be used before a test or a hook runs. */
export interface FastDocker {
  readonly docker: Engine;
  /** Reference of the fast guest's image. */
  readonly image: string;
  /** Starts one with FAST_OPTIONS, `options`, and `args` after the image. It is removed when the test ends, if not before. */
  start(options?: readonly string[], args?: readonly string[]): Promise<Virtainer>;
  /** One that the test itself starts under `name`; removed likewise. */
  adopt(name: string): Virtainer;
}

/** Docker for the tests of the file, or of the `describe`, that calls it: started before the first, ended after the last. */
export function fastDocker(): FastDocker {
  let engine: Engine | undefined;
  let reference: string | undefined;
  const started: Virtainer[] = [];

  beforeAll(async () => {
    engine = await startDocker();
    const fast = await fastImage();
    await engine.load(fast.archive);
    reference = fast.reference;
  });

  afterEach(async () => {
    for (const each of started.splice(0)) await each.remove();
  });

  afterAll(() => engine?.stop());

  const keep = (virtainer: Virtainer): Virtainer => {
    const kept = removedOnce(virtainer);
    started.push(kept);
    return kept;
  };
  const fast: FastDocker = {
    get docker() {
      return known(engine);
    },
    get image() {
      return known(reference);
    },
    start: async (options = [], args = []) =>
      keep(await startVirtainer(fast.docker, fast.image, [...FAST_OPTIONS, ...options], args)),
    adopt: (name) => keep(virtainerNamed(fast.docker, name)),
  };
  return fast;
}

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('Docker is started by beforeAll, which has not run');
  return value;
}

/** A test may need it gone before its end. */
function removedOnce(virtainer: Virtainer): Virtainer {
  let removal: Promise<void> | undefined;
  return {
    ...virtainer,
    remove: () => {
      removal ??= virtainer.remove();
      return removal;
    },
  };
}
