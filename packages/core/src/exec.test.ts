import { text as readText } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { makeExec, makeSpawn } from './exec.ts';

const exec = makeExec();

test('a program that ends well when its time is over has failed, whoever allows it to fail', async () => {
  const script = "process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1e6)";
  const running = exec(process.execPath, ['-e', script], { allowFailure: true, timeoutMs: 1000 });
  await expect(running).rejects.toMatchObject({
    code: 'COMMAND_FAILED',
    message: expect.stringContaining('timed out after 1000 ms'),
  });
});

test('an exit code is given back where failing is allowed, and thrown where not', async () => {
  const args = ['-e', 'process.exit(7)'];
  expect(await exec(process.execPath, args, { allowFailure: true })).toMatchObject({ exitCode: 7 });
  await expect(exec(process.execPath, args)).rejects.toThrow('exit code 7');
});

test("whatever language the person speaks, a program that is read speaks one; one on the terminal speaks the person's", async () => {
  const env = { LANG: 'de_DE.UTF-8', LC_ALL: 'de_DE.UTF-8', LANGUAGE: 'de:fr' };
  const script = 'echo "$LC_ALL $(printenv LANGUAGE || echo unset)"';
  expect((await exec('sh', ['-c', script], { env })).stdout).toBe('C.UTF-8 unset\n');
  const told = async (stdout: 'pipe' | 'inherit') => {
    const child = makeSpawn()('sh', ['-c', `(${script}) >&2`], { env, stdout });
    const [text] = await Promise.all([child.stderr && readText(child.stderr), child.exited]);
    return text;
  };
  expect(await told('pipe')).toBe('C.UTF-8 unset\n');
  expect(await told('inherit')).toBe('de_DE.UTF-8 de:fr\n');
});
