import { expect, test } from 'vitest';
import { type GuestFile, planScrub } from './rules.ts';

const file = (path: string, size = 1, mode = '100644'): GuestFile => ({
  path,
  inode: { number: 1, mode, uid: 0, gid: 0, size },
});
const folder = (path: string) => file(path, 0, '040755');

function paths(files: readonly GuestFile[]) {
  const { remove, empty } = planScrub(files);
  return { remove: remove.map(({ path }) => path), empty: empty.map(({ path }) => path) };
}

test('the deepest is removed first, and a folder only when nothing in it stays', () => {
  const journal = [folder('/var/log/journal'), folder('/var/log/journal/abc'), file('/var/log/journal/abc/system')];
  expect(paths(journal).remove).toEqual(['/var/log/journal/abc/system', '/var/log/journal/abc']);
  const cloud = ['instances', 'instances/i', 'scripts', 'seed'].map((name) => folder(`/var/lib/cloud/${name}`));
  const link = file('/var/lib/cloud/instance', 20, '120777');
  expect(paths([...cloud, link]).remove).toEqual([
    '/var/lib/cloud/instances/i',
    '/var/lib/cloud/instance',
    '/var/lib/cloud/instances',
  ]);
});

test('logs that are written to stay, empty; rotated ones go; what is empty is left alone', () => {
  const logs = ['/var/log/auth.log', '/var/log/apt/history.log', '/var/log/syslog.1', '/var/log/messages-20260101'];
  expect(paths([...logs.map((path) => file(path)), file('/var/log/btmp', 0), file('/etc/machine-id', 33)])).toEqual({
    remove: ['/var/log/messages-20260101', '/var/log/syslog.1'],
    empty: ['/var/log/auth.log', '/var/log/apt/history.log', '/etc/machine-id'],
  });
});

test.each([
  ['/root/.bash_history', true],
  ['/home/a/.python_history', true],
  ['/var/lib/postgresql/.psql_history', true],
  ['/home/a/.history', true],
  ['/home/a/project/history', false],
  ['/home/a/my_history', false],
  ['/etc/ssh/sshd_config', false],
  ['/etc/ssh/ssh_host_rsa_key.pub', true],
  ['/etc/netplan/01-mine.yaml', false],
  ['/var/lib/dhcp/dhclient.eth0.leases', true],
  ['/var/lib/NetworkManager/internal-1-eth0.lease', true],
  ['/var/lib/NetworkManager/timestamps', false],
  ['/srv/var/log/mine.1', false],
])('%s is removed: %s', (path, removed) => {
  expect(paths([file(path)]).remove).toEqual(removed ? [path] : []);
});

test('a file whose name cannot be told to debugfs is emptied, and the folders that it is in stay', () => {
  const cloud = ['/var/lib/cloud/instances', '/var/lib/cloud/instances/caf\ufffd'].map(folder);
  const files = [file('/var/log/caf\ufffd.log.1'), file(`${cloud[1]?.path}/user-data`)];
  expect(paths([...cloud, ...files])).toEqual({
    remove: ['/var/lib/cloud/instances/caf\ufffd/user-data'],
    empty: ['/var/log/caf\ufffd.log.1'],
  });
});
