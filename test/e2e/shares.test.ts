import { chmod, chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENGINES, type Engine, type EngineName, startEngine } from '../helpers/engines.ts';
import { fastImage, startVirtainer, throughEngine } from '../helpers/virtainer.ts';

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

const LOCKED = [
  ...['--user', '107:107', '--cap-drop', 'ALL', '--read-only', '--security-opt', 'no-new-privileges'],
  ...['--tmpfs', '/tmp', '-v', 'locked:/mounted'],
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
  { title: '--user 107:107 without any right', name: 'docker', options: LOCKED, owner: SOMEBODY, maker: 107 },
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
    await vm.remove();
  });
});

function engineNamed(name: EngineName): Engine {
  const engine = engines.get(name);
  if (!engine) throw new Error(`${name} was not started`);
  return engine;
}
