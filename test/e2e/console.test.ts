import { expect, test } from 'vitest';
import { fastDocker } from '../helpers/fast-docker.ts';
import { FAST_READY } from '../helpers/fast-guest.ts';
import { waitFor } from '../helpers/process.ts';
import type { Virtainer } from '../helpers/virtainer.ts';

const fast = fastDocker();

const logged = (machine: Virtainer, text: string, timeoutMs = 60_000) =>
  waitFor(text, async () => ((await machine.log()).includes(text) ? true : undefined), timeoutMs);

test.for([[[]], [['-t']]])('the console is on stdout from its first byte: docker run %o', async ([options]) => {
  const vm = await fast.start(options);
  await vm.reached('ready');
  await logged(vm, FAST_READY);
  const log = await vm.log();
  expect(log).toContain('SeaBIOS');
  expect(log.indexOf('SeaBIOS')).toBeLessThan(log.indexOf(FAST_READY));
});

test('V17: virsh console works beside the log, which goes on during and afterwards', async () => {
  const vm = await fast.start();
  await vm.reached('ready');
  const words = `docker exec -it ${vm.name} virsh console --force vm`;
  const child = fast.docker.spawn('script', ['--quiet', '--return', '--command', words, '/dev/null'], {
    stdin: 'pipe',
  });
  let screen = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
  });
  const shown = (text: string) => waitFor(text, async () => (screen.includes(text) ? true : undefined), 30_000);
  await shown('Escape character');
  child.stdin?.write('\necho typed-$((40 + 2))\n');
  await shown('typed-42');
  await logged(vm, 'typed-42');
  child.stdin?.write('\x1d');
  await child.exited;
  await vm.guest('echo afterwards > /dev/ttyS0');
  await logged(vm, 'afterwards');
});

test('nothing is lost or doubled across the rotation of the console log', async () => {
  const vm = await fast.start();
  await vm.reached('ready');
  const lines = 60_000;
  // 45 bytes a line: more than virtlogd's 2 MiB.
  const print = `awk 'BEGIN { for (i = 1; i <= ${lines}; i++) printf "line %06d of a console that is being rotated\\n", i }'`;
  await vm.guest(`(${print} > /dev/ttyS0; echo the-end > /dev/ttyS0) >/dev/null 2>&1 &`);
  await logged(vm, 'the-end', 300_000);
  const numbers = [...(await vm.log()).matchAll(/line (\d{6}) of a console/g)].map(([, number]) => Number(number));
  expect(numbers).toEqual(Array.from({ length: lines }, (_, index) => index + 1));
  expect(await vm.run('sh', '-c', 'ls /var/log/libvirt/qemu/console')).toContain('console.log.0');
});
