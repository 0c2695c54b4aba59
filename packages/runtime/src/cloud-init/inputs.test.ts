import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { fileReaders, type InputPaths, readInputs } from './inputs.ts';

async function folder(): Promise<{ at: string; paths: InputPaths }> {
  const at = await mkdtemp(join(tmpdir(), 'virtainers-inputs-'));
  onTestFinished(() => rm(at, { recursive: true }));
  const path = (name: string) => join(at, name);
  const paths = {
    publicKeys: path('id_rsa.pub'),
    userData: path('user-data'),
    metaData: path('meta-data'),
    networkConfig: path('network-config'),
    iso: path('cloud_init.iso'),
  };
  return { at, paths };
}

test('what is not there is undefined', async () => {
  const { paths } = await folder();
  expect(await readInputs(paths, fileReaders)).toEqual({
    publicKeys: undefined,
    userData: undefined,
    metaData: undefined,
    networkConfig: undefined,
    isoPath: undefined,
  });
});

test('user-data is bytes, the others text, the ISO a path', async () => {
  const { paths } = await folder();
  const gzip = Buffer.from([0x1f, 0x8b, 0xff, 0xfe]);
  await writeFile(paths.userData, gzip);
  await writeFile(paths.metaData, 'local-hostname: bücher\n');
  await writeFile(paths.iso, 'x');
  const inputs = await readInputs(paths, fileReaders);
  expect(inputs.userData).toEqual(gzip);
  expect(inputs.metaData).toBe('local-hostname: bücher\n');
  expect(inputs.isoPath).toBe(paths.iso);
});

test("a folder says that the host's file was missing, and all problems come at once", async () => {
  const { paths } = await folder();
  await mkdir(paths.publicKeys);
  await mkdir(paths.iso);
  await writeFile(paths.metaData, Buffer.from([0xff, 0xfe]));
  const failure = await readInputs(paths, fileReaders).catch((error) => error);
  expect(failure).toMatchObject({ code: 'CONFIG_INVALID', exitCode: 78 });
  expect(failure.message).toContain(`${paths.publicKeys}: a folder, not a file: the host's file was missing`);
  expect(failure.message).toContain(`${paths.iso}: a folder`);
  expect(failure.message).toContain(`${paths.metaData}: not UTF-8 text`);
});

test('what cannot be read is named', async () => {
  const { paths } = await folder();
  await writeFile(paths.iso, 'x');
  const check = () => Promise.reject(new Error('EACCES'));
  await expect(readInputs(paths, { ...fileReaders, check })).rejects.toThrow(`${paths.iso}: EACCES`);
});
