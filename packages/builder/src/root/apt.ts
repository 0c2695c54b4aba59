import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Architecture, VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { requireNetwork } from '../offline.ts';
import { withWorkFolder } from '../work-folder.ts';
import { type Lock, type LockedPackage, type PackageSelection, selectionDigest } from './lock.ts';

/** A mirror that is out of reach for a moment is asked again: apt waits a little longer each time (apt.conf(5), Acquire::Retries). */
export const RETRIES = '3';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * Asks the mirror which versions a selection means now. The host's apt does it in folders of its own: its proxies and
 * its trust in Debian's key count, its sources and pins do not. `avoid` names versions not to be taken. Throws SOURCE_UNAVAILABLE or COMMAND_FAILED.
 */
export async function resolvePackages(
  ctx: BuildContext,
  selection: PackageSelection,
  avoid: readonly LockedPackage[] = [],
): Promise<Lock> {
  requireNetwork(ctx, `package versions of ${selection.name}`);
  return withWorkFolder(ctx, async (folder) => {
    await Promise.all(
      ['state/lists/partial', 'cache/archives/partial'].map((path) => mkdir(join(folder, path), { recursive: true })),
    );
    await writeFile(join(folder, 'sources.list'), sourcesList(selection));
    await writeFile(join(folder, 'status'), '');
    await writeFile(join(folder, 'preferences'), avoidance(avoid));
    const apt = (words: readonly string[]) =>
      ctx.exec('apt-get', [...privateApt(folder, selection.arch), ...words], {
        signal: ctx.signal,
      });
    try {
      await apt(['update']);
    } catch (cause) {
      throw new VirtainersError(
        'SOURCE_UNAVAILABLE',
        `reading the package lists of ${selection.mirror} ${selection.suite}`,
        {
          cause,
          hint: 'is the network up, and is debian-archive-keyring installed?',
        },
      );
    }
    const { stdout } = await apt(['install', '--print-uris', ...wanted(selection)]);
    const packages = parsePrintUris(stdout, selection.mirror).filter((p) => !selection.without.includes(p.name));
    return { selection: selectionDigest(selection), packages };
  });
}

/** One deb line per archive: the release, what was updated since, and security fixes (sources.list(5)). */
export function sourcesList(selection: Pick<PackageSelection, 'mirror' | 'suite'>): string {
  const { mirror, suite } = selection;
  return [`debian ${suite}`, `debian ${suite}-updates`, `debian-security ${suite}-security`]
    .map((archive) => `deb [signed-by=${KEYRING}] ${mirror}/${archive} main\n`)
    .join('');
}

/** Lines such as `'http://…/pool/main/b/bash/bash_5.2_amd64.deb' bash_5.2_amd64.deb 1500 SHA256:…`; others are left out. */
export function parsePrintUris(stdout: string, mirror: string): LockedPackage[] {
  const packages: LockedPackage[] = [];
  for (const line of stdout.split('\n')) {
    const match = /^'([^']+)' ([^_ ]+)_([^_ ]+)_([^_ ]+)\.deb (\d+) SHA256:([0-9a-f]{64})$/.exec(line);
    if (!match) continue;
    const [, url = '', name = '', version = '', arch = '', size = '', sha256 = ''] = match;
    if (!url.startsWith(`${mirror}/`)) continue;
    const path = url.slice(mirror.length + 1);
    packages.push({ name, version: decodeURIComponent(version), arch, sha256, size: Number(size), path });
  }
  return packages;
}

/** apt_preferences(5): a version whose priority is below zero is never installed. */
function avoidance(avoid: readonly LockedPackage[]): string {
  return avoid.map(({ name, version }) => `Package: ${name}\nPin: version ${version}\nPin-Priority: -1\n`).join('\n');
}

function wanted(selection: PackageSelection): string[] {
  return selection.bootable
    ? ['?or(?essential,?priority(required))', 'apt', ...selection.packages]
    : [...selection.packages];
}

/** apt.conf(5): nothing of the host's state, sources or preferences, one architecture, no recommendations. */
function privateApt(folder: string, arch: Architecture): string[] {
  const settings = {
    'Dir::State': `${folder}/state`,
    'Dir::State::status': `${folder}/status`,
    'Dir::Cache': `${folder}/cache`,
    'Dir::Etc::sourcelist': `${folder}/sources.list`,
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': `${folder}/preferences`,
    'Dir::Etc::preferencesparts': '/dev/null',
    'APT::Architecture': arch,
    'APT::Architectures': arch,
    'APT::Install-Recommends': 'false',
    'APT::Install-Suggests': 'false',
    'APT::Get::Assume-Yes': 'true',
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
    'Acquire::ForceHash': 'SHA256',
    'Acquire::Retries': RETRIES,
    // Without it `update` ends with 0 where the mirror could not be reached, and leaves no lists or some of them.
    'APT::Update::Error-Mode': 'any',
    // Without it apt adds every essential package to whatever is asked for.
    'pkgCacheGen::ForceEssential': 'none',
    'Debug::NoLocking': 'true',
  };
  return ['-q', '-q', ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
}
