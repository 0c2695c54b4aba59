import { exec } from './process.ts';
import { COMMAND } from './virtainer.ts';

/** Bytes that the command alone, without the programs that it runs, had in memory at most. Throws when it fails. */
export async function peakMemory(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<number> {
  const tell = "process.on('exit', () => console.error('peak ' + process.resourceUsage().maxRSS))";
  const words = ['--import', `data:text/javascript,${tell}`, COMMAND, ...args];
  const { stderr } = await exec(process.execPath, words, { env });
  return Number(/^peak (\d+)$/m.exec(stderr)?.[1]) * 1024;
}
