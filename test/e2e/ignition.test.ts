import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fastDocker } from '../helpers/fast-docker.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

/** No vendor's image with Ignition is here; any guest shows that libvirt and QEMU are handed its config. */
const fast = fastDocker();
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8kq4Wc5kq4Wc5kq4Wc5kq4Wc5kq4Wc5kq4Wc5kq4Wc me@here';

test('a guest that Ignition sets up gets its config in fw_cfg, readable for QEMU alone, and no seed', async () => {
  const folder = await tempFolder('ignition');
  const read = ['run', '--rm', '--entrypoint', 'cat', fast.image, '/etc/virtainers/machine.json'];
  const machine = JSON.parse((await fast.docker.exec('docker', read)).stdout);
  const mounts = {
    '/etc/virtainers/machine.json': JSON.stringify({ ...machine, user: 'core', ignition: 'opt/com.coreos/config' }),
    '/tmp/id_rsa.pub': `${KEY}\n`,
    '/tmp/user-data': JSON.stringify({ ignition: { version: '3.4.0' } }),
  };
  const options = await Promise.all(
    Object.entries(mounts).map(async ([target, text], index) => {
      await writeFile(join(folder, `${index}`), text);
      return ['-v', `${join(folder, `${index}`)}:${target}:ro`];
    }),
  );
  const virtainer = await fast.start(options.flat());
  await virtainer.reached('ready');
  const path = '/run/virtainers/ignition.json';
  expect((await virtainer.run('stat', '-c', '%u:%g %a', path)).trim()).toBe('107:107 600');
  const config = JSON.parse(await virtainer.run('cat', path));
  expect(config.passwd).toEqual({ users: [{ name: 'core', sshAuthorizedKeys: [KEY] }] });
  expect(config.ignition.config.merge).toHaveLength(1);
  const xml = await virtainer.run('virsh', 'dumpxml', 'vm');
  expect(xml).toContain(`<entry name='opt/com.coreos/config' file='${path}'/>`);
  expect(xml).not.toContain("dev='vdb'");
  const processes = await virtainer.run('sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" "\\n"');
  expect(processes).toContain(`name=opt/com.coreos/config,file=${path}`);
});
