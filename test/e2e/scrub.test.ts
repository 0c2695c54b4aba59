import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Engine, startDocker } from '../helpers/engines.ts';
import { type Registry, startRegistry } from '../helpers/registry.ts';
import { makeKey, sshInto } from '../helpers/ssh.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { bakedImage, COMMAND, RECOMMENDED, startVirtainer, type Virtainer } from '../helpers/virtainer.ts';

let docker: Engine;
let registry: Registry;
let image: string;
let key: string;
let cache: string;
const started: Virtainer[] = [];

beforeAll(async () => {
  docker = await startDocker();
  // On Docker's own loopback, where it asks for no certificate.
  registry = await startRegistry({ listen: '0.0.0.0', spawn: docker.spawn, host: docker.address });
  const debian = await bakedImage('debian:13-packages');
  await docker.load(debian.archive);
  image = debian.reference;
  const folder = await tempFolder('scrub');
  cache = join(folder, 'cache');
  ({ key } = await makeKey(folder));
});

afterEach(async () => {
  for (const vm of started.splice(0)) await vm.remove();
});

afterAll(async () => {
  await docker?.stop();
  await registry?.stop();
});

async function start(reference: string, volume: string): Promise<Virtainer> {
  const mounts = ['-v', `${key}.pub:/tmp/id_rsa.pub:ro`, '-v', `${volume}:/mounted`];
  const vm = await startVirtainer(docker, reference, ['--stop-timeout', '90', ...RECOMMENDED, ...mounts]);
  started.push(vm);
  await vm.reached('ready');
  return vm;
}

async function inGuest(vm: Virtainer, command: string): Promise<string> {
  const host = await vm.inspect('{{.NetworkSettings.IPAddress}}');
  return sshInto({ host, user: 'debian', key, exec: docker.exec }, command);
}

const IDENTITY = [
  'cat /etc/machine-id',
  'cat /etc/ssh/ssh_host_ed25519_key.pub',
  'cat /var/lib/cloud/data/instance-id',
] as const;

function identity(vm: Virtainer): Promise<string[]> {
  return inGuest(vm, IDENTITY.join('; echo; ')).then((text) => text.split('\n').filter(Boolean));
}

test('a copy of a Debian is a new machine with the files and users of the old one', {
  timeout: 1_200_000,
}, async () => {
  const vm = await start(image, 'original');
  const before = await identity(vm);
  await inGuest(vm, 'echo "curl -u me:MARKER" >> .bash_history; echo a note > note; sudo useradd --create-home bob');
  await inGuest(vm, 'echo x | sudo tee /etc/ssl/private/MARKER > /dev/null; sudo rm /etc/ssl/private/MARKER; sync');
  await docker.command('stop', vm.name);
  const reference = `localhost:${registry.port}/me/debian:1`;
  const words = ['publish', vm.name, reference, '--insecure', '--engine', 'docker', '--cache-dir', cache];
  const { stderr } = await docker.exec(process.execPath, [COMMAND, ...words]);
  expect(stderr).toContain('/home/debian/.ssh/authorized_keys: lets its owners log in to every copy');
  await vm.remove();

  await docker.command('pull', '--quiet', reference);
  const copy = await start(reference, 'copied');
  const after = await identity(copy);
  expect(after).toHaveLength(IDENTITY.length);
  for (const [index, line] of before.entries()) expect(after[index]).not.toBe(line);
  expect(await inGuest(copy, 'cat note; getent passwd bob; ls -d /home/bob')).toMatch(/^a note\nbob:.*\n\/home\/bob$/);
  const traces = 'test ! -e .bash_history && sudo cat /var/log/cloud-init.log';
  expect(await inGuest(copy, traces)).not.toContain(before[2]);
  expect(await inGuest(copy, 'sudo journalctl --list-boots --no-pager -q | wc -l')).toBe('1');
});
