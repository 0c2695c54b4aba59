import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempFolder } from '../../../test/helpers/temp-folder.ts';
import { diskFlags, findRunDisks, requireReadOnly } from './run-disks.ts';

const folder = await tempFolder('run-disks');

async function disk(name: string, bytes = 1024): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, '');
  await truncate(path, bytes);
  return path;
}

test('FILE, FILE:NAME, FILE:ro and both; the content makes up for a name that says nothing', async () => {
  const [raw, img, odd] = [await disk('a.raw'), await disk('b.img'), await disk('disk')];
  const found = await findRunDisks([raw, `${img}:ro`, `${odd}:music`, `${odd}:other.disk:ro`]);
  expect(found).toEqual([
    { kind: 'file', source: raw, place: '/volumes/a.raw', readonly: false },
    { kind: 'file', source: img, place: '/volumes/b.img', readonly: true },
    { kind: 'file', source: odd, place: '/volumes/music.raw', readonly: false },
    { kind: 'file', source: odd, place: '/volumes/other.disk.raw', readonly: true },
  ]);
});

test('everything that is wrong, at once', async () => {
  const [twin, lies, empty] = [await disk('twin.img'), await disk('lies.qcow2'), await disk('empty.img', 0)];
  const words = [twin, `${twin}:twin`, lies, empty, '/nonexistent', folder, `${twin}:a b`, `${twin}:`];
  const error = await findRunDisks(words).catch((reason) => reason);
  expect(error.code).toBe('ARGUMENTS_BAD');
  for (const line of [
    'lies.qcow2: it is raw, whatever its name says',
    'empty.img: it is empty',
    '--disk /nonexistent: no such file',
    `--disk ${folder}: neither a file nor a block device`,
    '"a b" is no name',
    '"" is no name',
    `${twin} and ${twin} would both be called twin`,
  ]) {
    expect(error.message).toContain(line);
  }
});

test('one thing wrong keeps its own code', async () => {
  await expect(findRunDisks([await disk('none.img', 0)])).rejects.toMatchObject({ code: 'DISK_REFUSED' });
});

test('a device that is not to be written is refused where an engine would let it be', () => {
  const device = { kind: 'device', source: '/dev/sdb', place: '/dev/vm/b', readonly: true } as const;
  expect(() => requireReadOnly([device], true)).toThrow('/dev/sdb');
  requireReadOnly([device], false);
  requireReadOnly([{ ...device, readonly: false }], true);
});

test('disks on the network: the setting, and what says where they are and who may', async () => {
  const file = await disk('password');
  const words = [
    `rbd:disks/music:id=me:conf=${file}:ro`,
    `iscsi://10.0.0.9/iqn.2026-01.example:store/1:user=me:password-file=${file}`,
  ];
  expect(diskFlags(await findRunDisks(words))).toEqual({
    mounts: [`${file}:${file}:ro`],
    devices: [],
    setting: `DISKS=${words.join(' ')}`,
  });
  const missing = await findRunDisks(['rbd:disks/music:keyring=/nonexistent', 'iscsi://me%secret@h/iqn.x:y/1']).catch(
    (e) => e,
  );
  expect(missing.message).toContain('there is no file /');
  expect(missing.message).toContain('no password in a URI');
  expect(missing.message).not.toContain('secret');
});
