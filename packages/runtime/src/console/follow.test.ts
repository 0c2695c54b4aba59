import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { makeSpawn } from '@virtainers/core';
import { expect, onTestFinished, test } from 'vitest';
import { followConsole } from './follow.ts';
import { removeLog } from './rotated-files.ts';

async function logPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'virtainers-console-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, 'vm.log');
}

/** Collects what is written; `has` and `holds` wait until it holds that text, that many bytes. */
function sink() {
  let text = '';
  let look: (() => void) | undefined;
  const until = (condition: () => boolean) =>
    new Promise<void>((resolve) => {
      look = () => {
        if (condition()) resolve();
      };
      look();
    });
  return {
    write: (bytes: Uint8Array) => {
      text += Buffer.from(bytes).toString('latin1');
      look?.();
    },
    text: () => text,
    has: (wanted: string) => until(() => text.includes(wanted)),
    holds: (length: number) => until(() => text.length >= length),
  };
}

test('what an earlier life of the container left is not told again once it is removed', async () => {
  const path = await logPath();
  for (const name of [`${path}.1`, `${path}.0`, path]) await writeFile(name, 'Kernel panic ');
  await removeLog(path);
  const { write, text, has } = sink();
  const follower = followConsole({ path, write });
  await appendFile(path, 'new');
  await has('new');
  await follower.stop();
  expect(text()).toBe('new');
});

test('from the first byte, backups included, oldest first', async () => {
  const path = await logPath();
  await writeFile(`${path}.1`, 'one ');
  await writeFile(`${path}.0`, 'two ');
  await writeFile(path, 'three');
  const out = sink();
  await followConsole({ path, write: out.write }).stop();
  expect(out.text()).toBe('one two three');
});

test('a file that comes later, and grows', async () => {
  const path = await logPath();
  const out = sink();
  const follower = followConsole({ path, write: out.write });
  await writeFile(path, 'first');
  await out.has('first');
  await appendFile(path, ' second');
  await out.has('second');
  await appendFile(path, ' last');
  await follower.stop();
  expect(out.text()).toBe('first second last');
});

test('nothing there at all', async () => {
  const path = await logPath();
  const out = sink();
  await followConsole({ path, write: out.write }).stop();
  expect(out.text()).toBe('');
});

test('a log that is emptied is read again from its beginning', async () => {
  const path = await logPath();
  await writeFile(path, 'a longer first boot');
  const out = sink();
  const follower = followConsole({ path, write: out.write });
  await out.has('first boot');
  await truncate(path);
  await appendFile(path, 'second');
  await out.has('second');
  await follower.stop();
  expect(out.text()).toBe('a longer first bootsecond');
});

test('rotations while the reader of stdout is stuck lose nothing, deleted files included', async () => {
  const path = await logPath();
  const out = sink();
  let release: (() => void) | undefined;
  const stuck = new Promise<void>((resolve) => {
    release = resolve;
  });
  const follower = followConsole({ path, write: (bytes) => stuck.then(() => out.write(bytes)) });
  let expected = '';
  for (let round = 0; round < 8; round += 1) {
    await writeFile(path, `round ${round}\n`);
    expected += `round ${round}\n`;
    // The follower sees each file only when its event arrives; virtlogd fills 2 MiB between two of them.
    await new Promise<void>((resolve) => setImmediate(resolve));
    await rm(`${path}.2`, { force: true });
    for (const index of [1, 0]) await rename(`${path}.${index}`, `${path}.${index + 1}`).catch(() => undefined);
    await rename(path, `${path}.0`);
  }
  release?.();
  await follower.stop();
  expect(out.text()).toBe(expected);
});

test('a failing write is told once, and stop still ends', async () => {
  const path = await logPath();
  await writeFile(path, 'x');
  const errors: unknown[] = [];
  const write = () => Promise.reject(new Error('EPIPE'));
  const follower = followConsole({ path, write, onError: (error) => errors.push(error) });
  await follower.stop();
  expect(errors).toEqual([new Error('EPIPE')]);
});

/**
 * Writes as virtlogd does: a file that is full is renamed, the backups move up, the oldest goes. It rotates three times at
 * full speed, which is what three backups hold, then says how much it wrote and waits until that was read.
 */
const WRITER = `
const fs = require('node:fs');
const path = process.argv[1];
let lines = 0;
let total = 0;
for (let round = 1; round <= 51; round += 1) {
  const fd = fs.openSync(path, 'a', 0o600);
  for (let size = 0; size < 20000; ) size += fs.writeSync(fd, 'line ' + lines++ + '\\n');
  total += fs.fstatSync(fd).size;
  fs.closeSync(fd);
  if (round % 3 === 0) {
    fs.writeSync(1, total + '\\n');
    fs.readSync(0, Buffer.alloc(1));
  }
  for (let index = 2; index >= 0; index -= 1) {
    const from = index === 0 ? path : path + '.' + (index - 1);
    if (fs.existsSync(from)) fs.renameSync(from, path + '.' + index);
  }
}
`;

test('V17: a writer that rotates 51 times, often between two reads: no byte lost, none doubled', async () => {
  const path = await logPath();
  const out = sink();
  const follower = followConsole({ path, write: out.write });
  const writer = makeSpawn()(process.execPath, ['-e', WRITER, path], { stdin: 'pipe', stderr: 'inherit' });
  let total = 0;
  for await (const line of createInterface({ input: writer.stdout as Readable })) {
    total = Number(line);
    await out.holds(total);
    writer.stdin?.write('!');
  }
  expect(await writer.exited).toMatchObject({ exitCode: 0 });
  await follower.stop();
  expect(out.text().length).toBe(total);
  expect(
    out
      .text()
      .trimEnd()
      .split('\n')
      .every((line, index) => line === `line ${index}`),
  ).toBe(true);
});
