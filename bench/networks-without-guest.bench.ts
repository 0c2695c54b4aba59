import { afterAll, beforeAll, test } from 'vitest';
import { requireTool } from '../test/helpers/process.ts';
import { printFigures, printRatio, takeTurns } from './figures.ts';
import { MEASUREMENTS } from './networks/iperf3.ts';
import { layPath, type Path } from './networks/path.ts';

/** passt and QEMU's user network are programs, not paths: they are in the bench with a guest. */
const MODES = ['nat', 'bridge', 'macvtap'] as const;
const BETWEEN = ['bare', ...MODES] as const;
const paths = new Map<string, Path>();

beforeAll(async () => {
  await requireTool('ip', 'bridge', 'nft', 'dnsmasq', 'busybox', 'iperf3', 'sysctl');
  for (const between of BETWEEN) paths.set(between, await layPath(between));
});

afterAll(async () => {
  for (const path of paths.values()) await path.release();
});

test('what a mode costs where no emulated CPU hides it: its path between two namespaces, against a plain bridge', async () => {
  console.log('\nwithout a guest: veths in place of taps');
  for (const { title, unit, measure } of MEASUREMENTS) {
    const { bare, ...modes } = await takeTurns(BETWEEN, async (between) => {
      const path = paths.get(between);
      if (!path) throw new Error(`${between} is not laid`);
      return measure(path);
    });
    printFigures(`a plain bridge, ${title}`, bare, unit);
    for (const mode of MODES) printRatio(`${mode}, ${title}`, modes[mode], 'of a plain bridge', bare);
  }
});
