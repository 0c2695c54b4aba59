import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENGINES, type Engine, startEngine } from '../helpers/engines.ts';
import { freePort } from '../helpers/ports.ts';
import { exec, waitFor } from '../helpers/process.ts';
import { startRegistry } from '../helpers/registry.ts';
import { TINY, tinyImage } from '../helpers/tiny-image.ts';

describe.each(ENGINES)('%s', (name) => {
  let engine: Engine;

  beforeAll(async () => {
    engine = await startEngine(name);
    await engine.load(await tinyImage());
  });

  afterAll(() => engine?.stop());

  test('runs a container that reads and writes a mounted folder', async () => {
    const folder = await engine.folder('mount');
    await writeFile(join(folder, 'question'), 'who?');
    const script = 'cat /shared/question; id -u > /shared/answer';
    const output = await engine.command('run', '--rm', '-v', `${folder}:/shared`, TINY, 'sh', '-c', script);
    expect(output).toBe('who?');
    expect(await readFile(join(folder, 'answer'), 'utf8')).toBe('0\n');
  });

  test('publishes a port to the test', async () => {
    const port = await freePort();
    const serve = ['sh', '-c', 'mkdir /www && echo hello > /www/index.html && httpd -f -p 80 -h /www'];
    const id = await engine.command('run', '-d', '-p', `${port}:80`, TINY, ...serve);
    const url = `http://${engine.address}:${port}/index.html`;
    const text = await waitFor('the page', async () => (await fetch(url)).text(), 20_000);
    expect(text).toBe('hello\n');
    await engine.command('kill', id);
  });

  test('makes networks in the addresses that are its own', async () => {
    const subnet = `${engine.spare}.128/25`;
    await engine.command('network', 'create', '--subnet', subnet, 'mine');
    const output = await engine.command(
      'run',
      '--rm',
      '--network',
      'mine',
      '--ip',
      `${engine.spare}.200`,
      TINY,
      'ip',
      'addr',
    );
    expect(output).toContain(`${engine.spare}.200/25`);
    await engine.command('network', 'rm', 'mine');
  });

  test('may open /dev/net/tun', async () => {
    const output = await engine.command(
      ...['run', '--rm', '--cap-add', 'NET_ADMIN', '--device', '/dev/net/tun', TINY],
      ...['sh', '-c', 'exec 3<>/dev/net/tun && echo opened'],
    );
    expect(output).toBe('opened');
  });

  test('runs a privileged container, and a command in it', async () => {
    const id = await engine.command('run', '-d', '--privileged', TINY, 'sleep', '1000');
    const script = 'mkdir /m && mount -t tmpfs none /m && echo mounted';
    expect(await engine.command('exec', id, 'sh', '-c', script)).toBe('mounted');
    await engine.command('kill', id);
  });

  test('leaves nothing behind', async () => {
    const other = await startEngine(name);
    const folder = await other.folder('rest');
    await other.load(await tinyImage());
    await other.command('run', '-d', TINY, 'sleep', '1000');
    const { stdout: owner } = await other.exec('id', ['-u']);
    await other.stop();
    await expect(stat(folder)).rejects.toThrow('ENOENT');
    if (owner.trim() !== '0') expect(await livingProcessesOf(owner.trim())).toEqual([]);
  });
});

async function livingProcessesOf(uid: string): Promise<string[]> {
  const { stdout } = await exec('ps', ['-o', 'stat=,args=', '-u', uid], { allowFailure: true });
  return stdout.split('\n').filter((line) => line && !line.startsWith('Z'));
}

test('the registry answers and takes an image', async () => {
  const registry = await startRegistry();
  const copy = ['copy', '--dest-tls-verify=false', `docker-archive:${await tinyImage()}`];
  await exec('skopeo', [...copy, `docker://${registry.address}/tiny:1`]);
  const answer = await fetch(`http://${registry.address}/v2/_catalog`);
  expect(await answer.json()).toEqual({ repositories: ['tiny'] });
  await registry.stop();
});
