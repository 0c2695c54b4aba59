import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildContext } from '../context.ts';
import { changes } from './changes.ts';

/** Writes to `disk`, a name for QEMU, whatever differs between two raw pictures of it. */
export async function writeBack(
  ctx: BuildContext,
  { before, after, disk, folder }: { before: string; after: string; disk: string; folder: string },
): Promise<void> {
  const commands: string[] = [];
  for await (const { start, length, bytes } of changes(ctx, before, after)) {
    if (!bytes) commands.push(`write -q -z ${start} ${length}`);
    else {
      // By a name without blanks, from the current folder: that is how qemu-io splits a line.
      const name = `piece-${commands.length}`;
      await writeFile(join(folder, name), bytes);
      commands.push(`write -q -s ${name} ${start} ${length}`);
    }
  }
  if (commands.length === 0) return;
  const input = `${commands.join('\n')}\n`;
  await ctx.exec('qemu-io', ['-t', 'unsafe', disk], { input, cwd: folder, signal: ctx.signal });
}
