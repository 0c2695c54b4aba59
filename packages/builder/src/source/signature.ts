import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { withWorkFolder } from '../work-folder.ts';

/** A vendor's key, and what it must be. */
export interface VendorKey {
  /** Public keys, ASCII-armored (RFC 9580, 6.2) or not. */
  readonly path: string;
  /** Of the primary keys that may sign, as upper-case hex. */
  readonly fingerprints: readonly string[];
}

/** Checks a signature that stands in a file of its own. SIGNATURE_BAD, TOOL_MISSING. */
export async function verifyDetached(
  ctx: BuildContext,
  key: VendorKey,
  signature: Buffer,
  signed: Buffer | { readonly path: string },
  what: string,
): Promise<void> {
  await withWorkFolder(ctx, async (folder) => {
    const beside = join(folder, 'signature');
    await writeFile(beside, signature);
    if ('path' in signed) return runGpgv(ctx, key, folder, [beside, signed.path], what);
    const file = join(folder, 'signed');
    await writeFile(file, signed);
    return runGpgv(ctx, key, folder, [beside, file], what);
  });
}

/**
 * Checks a text that is signed within itself (RFC 9580, 7) and returns what was signed: that, and never the armour around
 * it, is what may be read. SIGNATURE_BAD, TOOL_MISSING.
 */
export async function verifyClearSigned(
  ctx: BuildContext,
  key: VendorKey,
  text: Buffer,
  what: string,
): Promise<string> {
  return withWorkFolder(ctx, async (folder) => {
    const [message, output] = [join(folder, 'message'), join(folder, 'text')];
    await writeFile(message, text);
    await runGpgv(ctx, key, folder, ['--output', output, message], what);
    return readFile(output, 'utf8').catch((cause: unknown) => {
      throw bad(what, 'it holds no signed text', cause);
    });
  });
}

/**
 * gpgv takes any key of its keyring for good, however old, and knows nothing of the user's own. One good signature by a
 * pinned key is enough; others may be by keys that do not come along.
 */
async function runGpgv(
  ctx: BuildContext,
  key: VendorKey,
  folder: string,
  files: string[],
  what: string,
): Promise<void> {
  const keyring = join(folder, 'keyring');
  await writeFile(keyring, await readKey(key.path));
  const args = ['--homedir', folder, '--status-fd', '1', '--keyring', keyring, ...files];
  const { stdout, stderr } = await ctx.exec('gpgv', args, { allowFailure: true, signal: ctx.signal });
  if (BROKEN.test(stdout) || !signersOf(stdout).some((signer) => key.fingerprints.includes(signer))) {
    throw bad(what, reasonOf(stdout, stderr, key));
  }
}

/** A signature that does not fit, or data besides what is signed: then it may not be the signed data that was written. */
const BROKEN = /^\[GNUPG:\] (?:BADSIG|ERROR|NODATA) /m;

async function readKey(path: string): Promise<Buffer> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new VirtainersError('DEFINITION_INVALID', `reading the key ${path}: ${(cause as Error).message}`, { cause });
  });
  const text = bytes.toString('latin1');
  return text.includes('-----BEGIN PGP PUBLIC KEY BLOCK-----') ? dearmor(text) : bytes;
}

/** The primary keys of the signatures that hold (doc/DETAILS of GnuPG, VALIDSIG). */
export function signersOf(status: string): string[] {
  return [...status.matchAll(/^\[GNUPG:\] VALIDSIG (?:\S+ ){9}([0-9A-F]{40,64})$/gm)].map((match) => match[1] ?? '');
}

/** The bytes of every armored block of a text. */
export function dearmor(text: string): Buffer {
  const blocks = text.matchAll(
    /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n([\s\S]*?)-----END PGP PUBLIC KEY BLOCK-----/g,
  );
  const bodies = [...blocks].map(([, block = '']) => block.replace(/^(?:[A-Za-z-]+: .*\r?\n)*\r?\n/, ''));
  return Buffer.concat(bodies.map((body) => Buffer.from(body.replace(/^=[A-Za-z0-9+/]{4}\s*$/m, ''), 'base64')));
}

function reasonOf(status: string, stderr: string, key: VendorKey): string {
  if (/^\[GNUPG:\] BADSIG /m.test(status)) return 'its signature does not fit it';
  const others = [...status.matchAll(/^\[GNUPG:\] (?:NO_PUBKEY|VALIDSIG) (\S+)/gm)].map((match) => match[1]);
  const wanted = key.fingerprints.join(' or ');
  if (others.length > 0) return `it is signed by ${others.join(', ')}, not by ${wanted}`;
  return `it has no signature by ${wanted} (${stderr.trim().split('\n').at(-1) ?? 'gpgv said nothing'})`;
}

function bad(what: string, reason: string, cause?: unknown): VirtainersError {
  return new VirtainersError('SIGNATURE_BAD', `checking ${what}: ${reason}`, {
    cause,
    hint: 'do not use this file: somebody changed it, or the vendor has a new key that a newer virtainers brings',
  });
}
