import { expect, test } from 'vitest';
import { fastDocker } from '../helpers/fast-docker.ts';
import { waitFor } from '../helpers/process.ts';
import { throughEngine, type Virtainer } from '../helpers/virtainer.ts';

const fast = fastDocker();

/** One whose every file lies on one small file system, the guest's disk among them. */
async function crowded() {
  const nobody = ['--user', '107:107', '--cap-drop', 'ALL', '--read-only', '--tmpfs', '/tmp:size=64m,mode=1777'];
  const vm = await fast.start([...nobody, '-e', 'IMAGE_DIR=/tmp/data', '-e', 'PORTS=23']);
  await vm.reached('ready');
  return { vm, guest: (command: string) => throughEngine(fast.docker, vm, command) };
}

/** Not a byte is left to anyone. */
const fill = (vm: Virtainer) => vm.run('sh', '-c', 'cat /dev/zero >> /tmp/filler || true');

const logged = (vm: Virtainer, text: string) =>
  waitFor(text, async () => ((await vm.log()).includes(text) ? true : undefined), 60_000);

test('where the supervisor writes on the disk that is full, the guest is paused, told, and goes on', async () => {
  const { vm, guest } = await crowded();
  await vm.run('sh', '-c', 'head -c $(( $(df --output=avail -B1 /tmp | tail -1) - 16777216 )) /dev/zero > /tmp/filler');
  const write = 'dd if=/dev/urandom of=/data/noise bs=64k count=512; sync; echo "on $((40 + 2))" > /dev/console';
  await guest(`(${write}) > /dev/null 2>&1 &`);
  const state = async (wanted: string) => ((await vm.status()).state === wanted ? true : undefined);
  await waitFor('the pause', () => state('degraded'), 120_000);
  expect((await vm.status()).message).toBe('paused: there is no room left for /tmp/data/local_image.qcow2');
  await fill(vm);
  await vm.run('rm', '/tmp/filler');
  await waitFor('its end', () => state('ready'), 60_000);
  await logged(vm, 'on 42');
});

test('a guest that talks where its log has no room is heard again when there is some', async () => {
  const { vm, guest } = await crowded();
  await fill(vm);
  await guest('seq 1 30000 > /dev/console 2> /dev/null &');
  await logged(vm, 'virtlogd has no room for its log');
  await vm.run('rm', '/tmp/filler');
  await waitFor('the guest', () => guest('echo "on $((40 + 2))" > /dev/console'), 60_000);
  await logged(vm, 'on 42');
});
