import { expect, test } from 'vitest';
import { makeExec } from './exec.ts';

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
