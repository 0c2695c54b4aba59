import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Architecture, quote } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { withWorkFolder } from '../work-folder.ts';
import type { Deb } from './debs.ts';
import { repositoryIndex, repositoryRelease } from './repository.ts';

export interface Bootstrap {
  readonly debs: readonly Deb[];
  readonly suite: string;
  /** Packages of another one than this machine's are configured by an emulator (binfmt_misc); `extract` runs none. */
  readonly arch: Architecture;
  /** `extract`: unpacked and not configured, dependencies not looked at. `minbase`: a system that boots. */
  readonly variant: 'extract' | 'minbase';
  readonly include: readonly string[];
  /** A tar laid into the root before the first package is. */
  readonly setup?: string | undefined;
  /** Where the root's tar goes. */
  readonly output: string;
}

/** Makes a root with the host's mmdebstrap out of the given packages and no others. Returns nothing: see `output`. */
export async function bootstrap(ctx: BuildContext, plan: Bootstrap): Promise<void> {
  await withWorkFolder(ctx, async (folder) => {
    const repository = join(folder, 'repository');
    await mkdir(repository, { mode: 0o755 });
    for (const deb of plan.debs) await copyFile(deb.file, join(repository, `${deb.sha256}.deb`));
    const index = await repositoryIndex(ctx.exec, plan.debs, plan.variant === 'extract');
    await writeFile(join(repository, 'Packages'), index);
    await writeFile(join(repository, 'Release'), repositoryRelease(plan.suite, index));
    // Said as a tool that is missing: timeout(1) would say that it ended with 127.
    await ctx.exec('mmdebstrap', ['--version']);
    // It ignores SIGTERM itself and waits for what it started; timeout(1), here without one, passes the signal on to all of them.
    await ctx.exec('timeout', ['0', 'mmdebstrap', ...mmdebstrapArguments(plan, repository)], {
      env: {
        // Whatever an interruption leaves of its root goes with the folder.
        TMPDIR: folder,
        TZ: 'UTC',
        SOURCE_DATE_EPOCH: String(ctx.sourceDateEpoch),
        DEBIAN_FRONTEND: 'noninteractive',
      },
      signal: ctx.signal,
    });
  });
}

/** mmdebstrap(1). The packages were checked against the lock, so the folder that holds them is trusted. */
export function mmdebstrapArguments(plan: Bootstrap, repository: string): string[] {
  const setup = plan.setup === undefined ? [] : [`--setup-hook=tar-in ${quote(plan.setup)} /`];
  return [
    `--variant=${plan.variant}`,
    `--architectures=${plan.arch}`,
    '--format=tar',
    // Device nodes come from whoever mounts /dev.
    '--skip=output/dev',
    `--include=${plan.include.join(',')}`,
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=APT::Install-Recommends "false"',
    ...setup,
    plan.suite,
    plan.output,
    `deb [trusted=yes] copy:${encodeURI(repository)} ./`,
  ];
}
