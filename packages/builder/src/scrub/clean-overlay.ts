import { VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import type { BaseImage } from '../publish/base-image.ts';
import type { Overlaid } from './picture.ts';
import { type Found, lookForSecrets, scrubOverlay } from './scrub.ts';
import type { Secret } from './secrets.ts';

/** What is published: an overlay, and what was done to it. */
export interface CleanOverlay extends Overlaid {
  readonly scrubbed: readonly string[];
  readonly secrets: readonly Secret[];
}

export type Cleaning = 'scrub' | 'look' | 'nothing';

/** So many lines are enough to see that there is something to do. */
const SHOWN = 40;

/**
 * Does with an overlay what was asked for, and warns of the secrets that are left, by their paths alone. A mere look that is not
 * possible is told and is no failure. What scrubOverlay throws.
 */
export async function cleanOverlay(
  ctx: BuildContext,
  base: BaseImage,
  request: Overlaid,
  { cleaning, folder, reference }: { readonly cleaning: Cleaning; readonly folder: string; readonly reference: string },
): Promise<CleanOverlay> {
  const { overlay, chain } = request;
  if (cleaning === 'nothing') return { overlay, chain, scrubbed: [], secrets: [] };
  if (cleaning === 'scrub') {
    const { unread: _, ...clean } = await scrubOverlay(ctx, base, request, folder);
    warn(ctx, reference, clean.secrets);
    return { ...clean, chain };
  }
  const { secrets, unread } = await lookForSecrets(ctx, base, request, folder).catch((error: unknown): Found => {
    if (!(error instanceof VirtainersError) || error.code === 'BASE_MISMATCH') throw error;
    return { secrets: [], unread: [error.message] };
  });
  for (const what of unread) ctx.log.warn(`no secrets were looked for in ${what}`);
  warn(ctx, reference, secrets);
  return { overlay, chain, scrubbed: [], secrets };
}

function warn(ctx: BuildContext, reference: string, secrets: readonly Secret[]): void {
  if (secrets.length === 0) return;
  const lines = secrets.slice(0, SHOWN).map(({ path, what }) => `  ${printablePath(path)}: ${what}`);
  const more = secrets.length > SHOWN ? [`  and ${secrets.length - SHOWN} more`] : [];
  const head = `whoever gets ${reference} gets what may be secrets; remove them in the machine, if they are none of theirs:`;
  ctx.log.warn([head, ...lines, ...more].join('\n'));
}

/** A path, or another name, in somebody's disk must not move the cursor. */
export function printablePath(path: string): string {
  return /[\p{Cc}\p{Cf}]/u.test(path) ? JSON.stringify(path) : path;
}
