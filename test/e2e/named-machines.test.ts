import { chmod, chown, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Engine, type EngineName, startEngine } from '../helpers/engines.ts';
import { type Registry, startRegistry } from '../helpers/registry.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { COMMAND, fastImage, startVirtainer, throughEngine } from '../helpers/virtainer.ts';

/** Of nobody else: an ordinary user who may speak with Docker. */
const USER = 65_534;

let registry: Registry;

beforeAll(async () => {
  registry = await startRegistry({ listen: '0.0.0.0' });
});

afterAll(() => registry?.stop());

interface Asker {
  readonly name: EngineName;
  /** Of the container, beside its volume. */
  readonly options: readonly string[];
  /** How the registry is called from there. */
  registry(engine: Engine): string;
  /** Runs the command as who may not read the volume. */
  words(engine: Engine): readonly string[];
}

const ASKERS: readonly Asker[] = [
  {
    name: 'docker',
    options: [],
    registry: ({ host }) => host,
    words: () => ['setpriv', `--reuid=${USER}`, '--regid=0', '--clear-groups', '--'],
  },
  {
    // The volume belongs to QEMU's user in the container, which is a subordinate one here.
    name: 'podman-rootless',
    options: ['--user', '107:107', '--cap-drop', 'ALL', '--read-only', '--tmpfs', '/tmp'],
    registry: () => '127.0.0.1',
    words: () => [],
  },
];

test.each(ASKERS)(
  '$name: who may not read the volume shows, exports and publishes a machine by its name, and pulls what is published',
  async (asker) => {
    const engine = await startEngine(asker.name);
    try {
      const { archive, reference } = await fastImage();
      await engine.load(archive);
      const own = await folderOf(asker, engine);
      const settings = ['-e', 'RAM=256', '-e', 'PORTS=22,23', '-e', 'STOP_ACTION=save', '-v', 'named:/mounted'];
      const vm = await startVirtainer(engine, reference, [...settings, ...asker.options]);
      await vm.reached('ready');
      // Saved, and so not unmounted: what `diff` reads there is what is at its place.
      await throughEngine(engine, vm, 'fsfreeze --freeze /data && fsfreeze --unfreeze /data');
      await engine.command('stop', '--time', '60', vm.name);
      const ask = async (...args: readonly string[]) => {
        const words = [...asker.words(engine), process.execPath, COMMAND, ...args];
        const [file = '', ...rest] = words;
        const { stdout, stderr } = await engine.exec(file, rest, { cwd: own, env: { HOME: own } });
        return stdout + stderr;
      };
      const options = ['--engine', engine.kind, '--cache-dir', join(own, 'cache')];
      expect(await ask('diff', vm.name, ...options)).toMatch(/^A .*\/boots$/m);

      const file = join(own, 'box.virtainer');
      expect(await ask('export', vm.name, file, ...options)).not.toContain('memory');
      await ask('import', file, join(own, 'imported'));
      const memory = ['local_memory.json', 'local_memory.save'];
      expect(await readdir(join(own, 'imported'))).toEqual(expect.arrayContaining(['local_image.qcow2', ...memory]));

      // The engine alone has the image: no registry does, and nothing was baked by this user.
      const target = `${asker.registry(engine)}:${registry.port}/${asker.name}/box:1`;
      await ask('publish', vm.name, target, '--insecure', ...options);
      const facts = JSON.parse(await ask('inspect', target, '--insecure', '--json'));
      const overlays = facts.labels['io.virtainers.overlays'];
      expect(overlays).toMatch(/^sha256:/);

      // Into the engine, which had the machine's image until now; once.
      const load = ['pull', target, '--load', engine.kind, '--insecure', '--cache-dir', join(own, 'cache')];
      expect(await ask(...load)).not.toContain('held it already');
      const label = '{{index .Config.Labels "io.virtainers.overlays"}}';
      expect(await engine.command('image', 'inspect', '--format', label, target)).toBe(overlays);
      expect(await ask(...load)).toContain(`${engine.kind}: ${target} (held it already)`);
    } finally {
      await engine.stop();
    }
  },
);

/** The asker's own, and the way to what they need. */
async function folderOf({ name }: Asker, engine: Engine): Promise<string> {
  const folder = name === 'docker' ? await tempFolder('asker') : await engine.folder('asker');
  await mkdir(folder, { recursive: true });
  if (name !== 'docker') return folder;
  await chown(folder, USER, 0);
  await chmod(folder, 0o700);
  return folder;
}
