import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toolMissing } from '@virtainers/core';
import { expect, test } from 'vitest';
import { contextOf } from '../testing/context.ts';
import { CHECKS, examine } from './doctor.ts';
import { findProgram } from './programs.ts';

test('a machine without anything: every line says what to do, and no machine can be run', async () => {
  const exec = (file: string) => Promise.reject(toolMissing(file));
  const report = await examine(contextOf({ exec }), join(tmpdir(), 'not', 'there', 'yet'));
  expect(report.canRun).toBe(false);
  expect(report.checks.map(({ name }) => name)).toEqual(CHECKS.map(({ name }) => name));
  for (const check of report.checks) expect(check.remedy === undefined).toBe(check.status === 'ok');
  expect(report.checks.find(({ name }) => name === 'docker')).toMatchObject({ status: 'failed' });
});

test('names of checks are unique: scripts find them by it', () => {
  expect(new Set(CHECKS.map(({ name }) => name)).size).toBe(CHECKS.length);
});

test('programs are found where PATH says', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'virtainers-path-'));
  await writeFile(join(folder, 'tool-of-ours'), '', { mode: 0o755 });
  await writeFile(join(folder, 'no-program'), '', { mode: 0o644 });
  const env = { PATH: `/nonexistent:${folder}` };
  expect(await findProgram(env, 'tool-of-ours')).toBe(join(folder, 'tool-of-ours'));
  expect(await findProgram(env, 'no-program')).toBeUndefined();
});
