import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, test } from 'vitest';
import { type Engine, rootfulPodman } from '../test/helpers/engines.ts';
import { bakedImage, RECOMMENDED } from '../test/helpers/virtainer.ts';
import { printFigures, printRatio, takeTurns } from './figures.ts';

const QEMU = ['-M', 'q35,graphics=off', '-m', '1024', '-display', 'none', '-serial', 'stdio', '-snapshot'];
let podman: Engine;
let image: string;

beforeAll(async () => {
  podman = await rootfulPodman();
  const { archive, reference } = await bakedImage('debian:13-packages');
  await podman.load(archive);
  image = reference;
});

afterAll(() => podman?.stop());

test("from the engine's command to guest code running, against a bare QEMU in the same image", async () => {
  const ways = {
    ours: () => untilLine(/the domain runs after/, '--env', 'STOP_ACTION=destroy', image),
    bare: () =>
      untilLine(/SeaBIOS|GRUB/, '--entrypoint', 'qemu-system-x86_64', image, ...QEMU, '-hda', '/disk/disk.qcow2'),
  };
  const { ours, bare } = await takeTurns(['ours', 'bare'], (way) => ways[way]());
  console.log('\nstarting');
  printFigures('podman run to guest code running', ours, 's');
  printFigures('podman run to the firmware of a bare QEMU', bare, 's');
  printRatio(
    'podman run to guest code running',
    ours,
    'times a bare QEMU, which has no network, no seed, no console log and no agent',
    bare,
  );
});

/** Seconds until a line of the container's output matches; then it is ended and waited for. */
async function untilLine(pattern: RegExp, ...args: string[]): Promise<number> {
  const started = performance.now();
  const child = podman.spawn('podman', ['run', '--rm', ...RECOMMENDED, ...args]);
  const output = new PassThrough();
  for (const stream of [child.stdout, child.stderr]) stream?.pipe(output, { end: false });
  child.exited.then(() => output.end());
  let took: number | undefined;
  let said = '';
  for await (const line of createInterface({ input: output })) {
    said = `${said}${line}\n`.slice(-2000);
    if (took !== undefined || !pattern.test(line)) continue;
    took = (performance.now() - started) / 1000;
    child.kill('SIGTERM');
  }
  if (took === undefined) throw new Error(`the container ended early:\n${said}`);
  return took;
}
