import { stat } from 'node:fs/promises';
import { VirtainersError } from '@virtainers/core';

/**
 * Whether `origin` is an archive or a layout folder on this machine; everything else is a registry's reference, but for
 * what can only be meant as a path: SOURCE_UNAVAILABLE where such a one is not there.
 */
export async function isLocalImage(origin: string): Promise<boolean> {
  try {
    await stat(origin);
    return true;
  } catch (cause) {
    if (!looksLikePath(origin)) return false;
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' || code === 'ENOTDIR' ? 'there is no such file' : message;
    throw new VirtainersError('SOURCE_UNAVAILABLE', `reading ${origin}: ${reason}`, { hint: hint(origin), cause });
  }
}

/** No reference begins like that; one may end in `.tar`, and none is known to. */
function looksLikePath(word: string): boolean {
  return /^(?:\/|\.\.?\/|~)|\.tar$/i.test(word);
}

function hint(origin: string): string | undefined {
  return origin.startsWith('~') ? 'a shell writes out ~ only where it stands first and unquoted' : undefined;
}
