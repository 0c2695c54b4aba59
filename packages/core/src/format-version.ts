import { type ErrorCode, VirtainersError } from './errors.ts';

/**
 * The rule of every file that outlives the program that wrote it: one of a newer format is refused, for its writer knew
 * something that would be lost here; an older one is read, and written anew in the newest format. Gives back the document's
 * version; undefined where it has none, which its schema then says.
 */
export function checkFormatVersion(json: unknown, known: number, where: string, code: ErrorCode): number | undefined {
  const version = (json as { formatVersion?: unknown } | null)?.formatVersion;
  if (typeof version !== 'number') return undefined;
  if (version <= known) return version;
  throw new VirtainersError(
    code,
    `reading ${where}: made by a newer virtainers (format version ${version}; this one knows ${known})`,
    { hint: 'use the virtainers that made it, or a newer one' },
  );
}
