import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { formatShares, GUEST_FOLDERS, IN_IMAGE, parseGuestFolder, VirtainersError } from '@virtainers/core';

/** A folder of this machine that the guest gets. */
export interface ShareRequest {
  /** Absolute. */
  readonly host: string;
  readonly guest: string;
  readonly readonly: boolean;
}

/** `HOST:GUEST` or `HOST:GUEST:ro`, as for a volume; the host's folder may have colons in its name. A sentence for anything else. */
export function parseShareRequest(text: string): ShareRequest | string {
  const [, host, folder = '', access] = /^(.+):(\/[^:]*)(?::(ro|rw))?$/s.exec(text) ?? [];
  const shown = JSON.stringify(text);
  if (host === undefined) return `${shown} is not HOST:GUEST or HOST:GUEST:ro, two folders`;
  const guest = parseGuestFolder(folder);
  if (guest === undefined) return `${shown}: the guest's folder is to be ${GUEST_FOLDERS}`;
  if (/[\r\n]/.test(host)) return `${shown}: no container engine mounts a folder with a line break in its name`;
  return { host: resolve(host), guest, readonly: access === 'ro' };
}

/** Throws ARGUMENTS_BAD with everything that is wrong with them. */
export async function checkShares(shares: readonly ShareRequest[], env: readonly string[]): Promise<void> {
  const problems = [
    ...(await Promise.all(shares.map(problemOf))),
    ...shares.map(({ guest }, index) =>
      shares.findIndex((other) => other.guest === guest) === index ? undefined : `${guest} is given twice`,
    ),
    shares.length > 0 && env.some((entry) => /^SHARES(=|$)/.test(entry)) ? '--env SHARES says the same' : undefined,
  ].filter((problem) => problem !== undefined);
  if (problems.length === 0) return;
  throw new VirtainersError('ARGUMENTS_BAD', problems.map((problem) => `--share: ${problem}`).join('\n'));
}

async function problemOf({ host }: ShareRequest): Promise<string | undefined> {
  try {
    return (await stat(host)).isDirectory() ? undefined : `${host} is not a folder`;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? `${host}: no such folder` : message;
  }
}

/** Where the container has them: under names that no guest's or host's path can break. */
function named(shares: readonly ShareRequest[]) {
  return shares.map((share, index) => ({ ...share, name: `share${index + 1}` }));
}

/** For the engine; `--mount` and not `--volume`, which parts its word at colons and makes a folder that is missing. */
export function shareMounts(shares: readonly ShareRequest[]): string[] {
  return named(shares).flatMap(({ host, name, readonly }) => {
    const fields = [
      'type=bind',
      `source=${host}`,
      `target=${IN_IMAGE.shares}/${name}`,
      ...(readonly ? ['readonly'] : []),
    ];
    return ['--mount', fields.map(csvField).join(',')];
  });
}

/** The setting that tells the runtime; undefined: none. */
export function shareSetting(shares: readonly ShareRequest[]): string | undefined {
  return shares.length === 0 ? undefined : `SHARES=${formatShares(named(shares))}`;
}

/** Both engines read the word as a line of CSV (RFC 4180). */
function csvField(text: string): string {
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
