import { chmod, chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENGINES, type Engine, type EngineName, startEngine } from '../helpers/engines.ts';
import { fastImage, genericImage, RUNTIME, startVirtainer, throughEngine } from '../helpers/virtainer.ts';

const engines = new Map<EngineName, Engine>();
let image: string;

beforeAll(async () => {
  const fast = await fastImage('share');
  image = fast.reference;
  for (const name of ENGINES) {
    const engine = await startEngine(name);
    engines.set(name, engine);
    await engine.load(fast.archive);
  }
});

afterAll(async () => {
  for (const engine of engines.values()) await engine.stop();
});

/** Its root is read-only: the data folder is a volume. */
const locked = (volume: string) => [
  ...['--user', '107:107', '--cap-drop', 'ALL', '--read-only', '--security-opt', 'no-new-privileges'],
  ...['--tmpfs', '/tmp', '-v', `${volume}:/mounted`],
];

interface Way {
  readonly title: string;
  readonly name: EngineName;
  readonly options: readonly string[];
  /** Who owns the shared folder on the host; undefined: the engine's owner. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Who owns what the guest's root and its user 1000 make there, as the host sees it, if not the folder's owner. */
  readonly maker?: number;
}

let made = 0;
const SOMEBODY = { uid: 4321, gid: 4322 };

describe.each<Way>([
  { title: 'default capabilities', name: 'docker', options: [], owner: SOMEBODY },
  {
    title: '--user 107:107 without any right',
    name: 'docker',
    options: locked('folders'),
    owner: SOMEBODY,
    maker: 107,
  },
  { title: 'default capabilities', name: 'podman', options: [], owner: SOMEBODY },
  { title: 'default capabilities', name: 'podman-rootless', options: [] },
])('$title in $name', ({ name, options, owner: given, maker }) => {
  test('folders of the host are in the guest, one of them read-only', async () => {
    const engine = engineNamed(name);
    const owner = given ?? engine.owner;
    made += 1;
    const [open, closed] = [await engine.folder(`open${made}`), await engine.folder(`closed${made}, or 'not'`)];
    for (const folder of [open, closed]) {
      await writeFile(join(folder, 'from-host'), 'hello');
      await mkdir(join(folder, 'sub'), { recursive: true });
      for (const path of [folder, join(folder, 'from-host'), join(folder, 'sub')])
        await chown(path, owner.uid, owner.gid);
    }
    // Whoever is no root can write where everybody may.
    if (maker !== undefined) await chmod(open, 0o777);
    const shares = ['-e', 'RAM=256', '-e', 'PORTS=22,23', '-e', 'SHARES="open:/srv/my files" closed:/srv/closed'];
    const mounts = [
      '-v',
      `${open}:/shares/open`,
      '--mount',
      `type=bind,"source=${closed}",target=/shares/closed,readonly`,
    ];
    const vm = await startVirtainer(engine, image, [...shares, ...mounts, ...options]);
    const guest = (command: string) => throughEngine(engine, vm, command);
    const status = await vm.reached('ready');
    expect(status.shares).toEqual([
      { name: 'closed', guest: '/srv/closed', readonly: true, driver: 'virtiofs' },
      { name: 'open', guest: '/srv/my files', readonly: false, driver: 'virtiofs' },
    ]);

    expect(await guest("cat '/srv/my files/from-host' /srv/closed/from-host")).toBe('hellohello');
    await guest('echo me:x:1000:1000::/:/bin/sh >> /etc/passwd; echo me:x:1000: >> /etc/group');
    await guest("cd '/srv/my files'; su me -c 'echo mine > user'; echo root > root; mkdir -p new/deep");
    expect(await readFile(join(open, 'user'), 'utf8')).toBe('mine\n');
    expect((await stat(join(open, 'user'))).uid).toBe(maker ?? owner.uid);
    if (maker === undefined) expect(await guest("stat -c %u '/srv/my files/from-host'")).toBe('1000\n');
    await writeFile(join(open, 'later'), 'seen');
    expect(await guest("cat '/srv/my files/later'")).toBe('seen');

    // Not the guest's word alone: the folder is closed on this side.
    const said = await guest(
      'mount -o remount,rw /srv/closed; (echo x > /srv/closed/new; rm /srv/closed/from-host; true) 2>&1',
    );
    expect(said.match(/Read-only file system/g)).toHaveLength(2);

    // What virtiofsd knows of the guest's open files is in no snapshot; the disk alone does not need it.
    const words = ['exec', '--interactive', vm.name, 'node', RUNTIME, 'snapshot', 'create'];
    const snapshot = (...more: string[]) =>
      engine.exec(engine.kind, [...words, ...more], { input: '', allowFailure: true });
    const refused = (await snapshot('memory')).stdout;
    expect(refused).toContain('a machine with a shared folder (/srv/closed, /srv/my files) cannot be saved');
    expect(refused).toContain('--disk-only');
    expect((await snapshot('disk', '--disk-only')).exitCode).toBe(0);

    // Whoever serves one of them is killed: the machine goes on without, and says so.
    const servers = (await vm.run('ps', '-e', '-o', 'pid=,args=')).split('\n');
    const server = servers
      .find((row) => row.includes('--shared-dir /shares/open '))
      ?.trim()
      .split(' ')[0];
    await vm.run('sh', '-c', `kill -9 ${server}`);
    const { message } = await vm.reached('degraded');
    expect(message).toContain('the guest has lost /srv/my files until');
    expect(message).toContain('virtiofsd of /shares/open ended with SIGKILL');
    await expect(vm.run('node', RUNTIME, 'health')).rejects.toThrow(/degraded: the guest has lost/);
    expect(await guest('cat /srv/closed/from-host')).toBe('hello');
    await vm.remove();
  });
});

describe('9p, without the feature', () => {
  const SHARES = 'SHARES=open:/srv/open closed:/srv/closed shut:/srv/shut';
  let generic: string;

  beforeAll(async () => {
    const { archive, reference } = await genericImage();
    generic = reference;
    await engineNamed('docker').load(archive);
  });

  test.each([
    { title: 'default capabilities', label: 'default', rights: [] },
    { title: '--user 107:107 without any right', label: 'locked', rights: locked('by-9p') },
  ])("$title: the guest may do there what QEMU's user may", async ({ label, rights }) => {
    const engine = engineNamed('docker');
    const { open, closed, shut } = await foldersFor9p(label);
    const mounts = [`${open}:/shares/open`, `${closed}:/shares/closed:ro`, `${shut}:/shares/shut`];
    const options = [...mounts.flatMap((mount) => ['-v', mount]), ...['-e', SHARES, '-e', 'OS_VARIANT=linux2022']];
    const machine = ['-e', 'RAM=256', '-e', 'PORTS=22,23', ...options, ...rights];
    const vm = await startVirtainer(engine, generic, machine);
    const guest = (command: string) => throughEngine(engine, vm, command);
    const { shares } = await vm.reached('ready');
    expect(shares?.map(({ name, readonly, driver }) => [name, readonly, driver])).toEqual([
      ['closed', true, '9p'],
      ['open', false, '9p'],
      ['shut', false, '9p'],
    ]);

    // Owners are the host's; a file made by anybody is QEMU's, which its maker cannot write a second time.
    expect(await guest('cat /srv/open/from-host; stat -c %u /srv/open/from-host')).toBe(`hello${SOMEBODY.uid}\n`);
    await guest('echo me:x:1000:1000::/:/bin/sh >> /etc/passwd; echo me:x:1000: >> /etc/group');
    await guest("cd /srv/open; su me -c 'echo mine > user'; echo root > root; echo more >> root; mkdir -p new/deep");
    expect(await readFile(join(open, 'root'), 'utf8')).toBe('root\nmore\n');
    for (const name of ['user', 'root', 'new/deep']) expect((await stat(join(open, name))).uid).toBe(107);
    expect(await guest('stat -c %u /srv/open/user')).toBe('107\n');
    await writeFile(join(open, 'later'), 'seen');
    expect(await guest('cat /srv/open/later')).toBe('seen');

    // What SOMEBODY alone may is not even for the guest's root.
    const denied = ['cat /srv/open/secret', 'echo x > /srv/shut/new', 'rm /srv/shut/from-host', 'chown 0 /srv/shut'];
    denied.push("su me -c 'echo more >> /srv/open/user'");
    const answers = await guest(`exec 2>&1; ${denied.map((command) => `(${command})`).join('; ')}; true`);
    expect(answers.match(/Permission denied|Operation not permitted/g)).toHaveLength(denied.length);
    const writes = 'mount -o remount,rw /srv/closed; (echo x > /srv/closed/new; rm /srv/closed/from-host; true) 2>&1';
    expect((await guest(writes)).match(/Read-only file system/g)).toHaveLength(2);
    await vm.remove();
  });
});

/** Folders of SOMEBODY's: one where all may write, another for a mount that is closed, one where SOMEBODY alone may write. */
async function foldersFor9p(label: string): Promise<{ open: string; closed: string; shut: string }> {
  const make = async (name: string, mode: number) => {
    const path = await engineNamed('docker').folder(`9p-${label}-${name}`);
    await writeFile(join(path, 'from-host'), 'hello');
    await writeFile(join(path, 'secret'), 'for SOMEBODY', { mode: 0o600 });
    for (const file of [path, join(path, 'from-host'), join(path, 'secret')]) {
      await chown(file, SOMEBODY.uid, SOMEBODY.gid);
    }
    await chmod(path, mode);
    return path;
  };
  return { open: await make('open', 0o777), closed: await make('closed', 0o777), shut: await make('shut', 0o755) };
}

function engineNamed(name: EngineName): Engine {
  const engine = engines.get(name);
  if (!engine) throw new Error(`${name} was not started`);
  return engine;
}
