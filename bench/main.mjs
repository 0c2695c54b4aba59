// `npm run bench`: what a user would run instead, in the same run, as ratios. Needs root, podman, and what baking needs.
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROUNDS = Number(process.env['ROUNDS'] ?? 5);
const IMAGE = 'debian:13-packages';
const REFERENCE = `docker.io/virtainers/${IMAGE}`;
const command = join(dirname(fileURLToPath(import.meta.url)), '../packages/cli/bin/virtainers.mjs');
const folder = await mkdtemp(join(tmpdir(), 'virtainers-bench-'));
const env = { ...process.env, CONTAINERS_CONF: join(folder, 'containers.conf') };
const storage = ['--root', join(folder, 'store'), '--runroot', join(folder, 'run')];

try {
  await writeFile(
    env.CONTAINERS_CONF,
    '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]\n',
  );
  const archive = join(folder, 'image.tar');
  await virtainers('bake', IMAGE, '--output', archive);
  await benchBaking(archive);
  await benchStarting(archive);
} finally {
  await podman('rm', '--all', '--force').catch(() => undefined);
  await podman('system', 'reset', '--force').catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
}

/** A bake with its cache warm, and one whose output is there already, against the engine's build and save of the same layers. */
async function benchBaking(archive) {
  const context = await buildContext(archive);
  const bake = [];
  const unchanged = [];
  const pair = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await rm(archive);
    bake.push(await timed(() => virtainers('bake', IMAGE, '--output', archive)));
    unchanged.push(await timed(() => virtainers('bake', IMAGE, '--output', archive)));
    const saved = join(folder, 'saved.tar');
    pair.push(
      await timed(async () => {
        await podman('build', '--quiet', '--no-cache', '--tag', 'localhost/same:1', context);
        await podman('save', '--quiet', '--format', 'oci-archive', '--output', saved, 'localhost/same:1');
      }),
    );
    await rm(saved);
  }
  print('bake, warm cache', bake);
  print('bake, nothing changed', unchanged);
  print('podman build + podman save', pair);
  console.log(`podman build + save takes ${ratio(pair, bake)} times as long as bake`);
}

/** From the engine's command to guest code running, against a bare QEMU in the same image. */
async function benchStarting(archive) {
  await podman('load', '--quiet', '--input', archive);
  const ours = [];
  const bare = [];
  const means = ['--cap-add', 'NET_ADMIN', '--device', '/dev/net/tun'];
  for (let round = 0; round < ROUNDS; round += 1) {
    ours.push(
      await untilLine(['run', '--rm', ...means, '--env', 'STOP_ACTION=destroy', REFERENCE], /the domain runs after/),
    );
    const qemu = [
      '-M',
      'q35,graphics=off',
      '-m',
      '1024',
      '-display',
      'none',
      '-serial',
      'stdio',
      '-snapshot',
      '-hda',
      '/disk/disk.qcow2',
    ];
    bare.push(
      await untilLine(
        ['run', '--rm', ...means, '--entrypoint', 'qemu-system-x86_64', REFERENCE, ...qemu],
        /SeaBIOS|GRUB/,
      ),
    );
  }
  print('podman run to guest code running', ours);
  print('podman run to the firmware of a bare QEMU', bare);
  console.log(
    `that is ${ratio(ours, bare)} times a bare QEMU, which has no network, no seed, no console log and no agent`,
  );
}

/** The layers of our archive as a build context, so that both sides pack the same bytes. */
async function buildContext(archive) {
  const layout = join(folder, 'layout');
  const context = join(folder, 'context');
  await mkdir(layout);
  await mkdir(context);
  await run('tar', ['-xf', archive, '-C', layout]);
  const read = async (digest) => JSON.parse(await readFile(join(layout, 'blobs', ...digest.split(':')), 'utf8'));
  const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'));
  const manifest = await read(index.manifests[0].digest);
  const lines = ['FROM scratch'];
  for (const [position, { digest }] of manifest.layers.entries()) {
    await run('cp', [join(layout, 'blobs', ...digest.split(':')), join(context, `${position}.tar`)]);
    lines.push(`ADD ${position}.tar /`);
  }
  await writeFile(join(context, 'Containerfile'), `${lines.join('\n')}\n`);
  console.log(`comparing ${(await readdir(context)).length - 1} layers, ${ROUNDS} rounds`);
  return context;
}

function virtainers(...args) {
  return run(process.execPath, [command, ...args]);
}

function podman(...args) {
  return run('podman', [...storage, ...args]);
}

function run(file, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (text) => {
      said = `${said}${text}`.slice(-2000);
    });
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`${file} ${args.join(' ')}: ${code}\n${said}`)),
    );
  });
}

/** Milliseconds until a line of the container's output matches; then it is ended and waited for. */
function untilLine(args, pattern) {
  const started = performance.now();
  const child = spawn('podman', [...storage, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let took;
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        said = `${said}${line}\n`.slice(-2000);
        if (took !== undefined || !pattern.test(line)) return;
        took = performance.now() - started;
        child.kill('SIGTERM');
      });
    }
    child.once('exit', () =>
      took === undefined ? reject(new Error(`the container ended early:\n${said}`)) : resolve(took),
    );
  });
}

async function timed(work) {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

function ratio(numerators, denominators) {
  return median(numerators.map((value, index) => value / denominators[index])).toFixed(1);
}

function print(what, values) {
  const seconds = (value) => (value / 1000).toFixed(2);
  console.log(
    `${what}: median ${seconds(median(values))} s (${seconds(Math.min(...values))} to ${seconds(Math.max(...values))})`,
  );
}
