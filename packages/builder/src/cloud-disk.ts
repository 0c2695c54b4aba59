import { type Architecture, VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import type { BakedDisk, DiskOptions } from './bake-disk.ts';
import type { BuildContext } from './context.ts';
import { noSuchArchitecture } from './definition/architectures.ts';
import { recipeFor } from './definition/cloud.ts';
import type { CloudDefinition } from './definition/schema.ts';
import { prepareForeignDisk } from './disk/foreign-disk.ts';
import { DEFAULT_MAX_VIRTUAL_SIZE } from './disk/inspect.ts';
import type { QemuTool } from './disk/qemu-tool.ts';
import { readRecord, writeRecord } from './records.ts';
import { parseOrigin } from './source/locate.ts';
import { type OriginFile, openOrigin } from './source/origin-file.ts';
import { verifyDetached } from './source/signature.ts';
import { mismatch, parseSums, type Sums } from './source/sums.ts';
import { type Place, type Recipe, resolveAt, TRUSTS, type VendorFile } from './source/vendor.ts';
import { withCacheFolder } from './work-folder.ts';

/** What another server, or the same one a moment later, may have right. */
const PASSING = ['SOURCE_UNAVAILABLE', 'DIGEST_MISMATCH', 'SIGNATURE_BAD'];

/** Which of a vendor's cloud images. */
interface CloudSubject {
  readonly definition: CloudDefinition;
  readonly arch: Architecture;
}

/**
 * A vendor's cloud image: found at the first place that has it, checked as its definition says, made ready for an image.
 * The error of the only place, or of all of them: SOURCE_UNAVAILABLE, DIGEST_MISMATCH, SIGNATURE_BAD; DISK_REFUSED.
 */
export async function bakeCloudDisk(
  ctx: BuildContext,
  { definition, arch }: CloudSubject,
  qemu: QemuTool,
  options: DiskOptions,
): Promise<BakedDisk> {
  const recipe = recipeFor(definition, arch);
  if (!recipe) throw noSuchArchitecture(definition, arch);
  if (ctx.offline) return bakeKnown(ctx, { definition, arch }, qemu, options);
  const failures: VirtainersError[] = [];
  for (const place of recipe.places) {
    try {
      return await bakeFrom(ctx, { definition, arch }, recipe, place, qemu, options);
    } catch (error) {
      if (!(error instanceof VirtainersError) || !PASSING.includes(error.code)) throw error;
      failures.push(error);
      if (failures.length < recipe.places.length) ctx.log.warn(`${error.message}; trying the next server`);
    }
  }
  throw summary(definition.name, failures);
}

async function bakeFrom(
  ctx: BuildContext,
  subject: CloudSubject,
  recipe: Recipe,
  place: Place,
  qemu: QemuTool,
  options: DiskOptions,
): Promise<BakedDisk> {
  try {
    return await bakeOnce(ctx, subject, recipe, place, qemu, options);
  } catch (error) {
    // A name that moves, such as `latest`, may have moved between the sums and the image.
    const moved = error instanceof VirtainersError && error.code === 'DIGEST_MISMATCH' && recipe.pin === undefined;
    if (!moved) throw error;
    ctx.log.warn(`${error.message}; looking again`);
    return bakeOnce(ctx, subject, recipe, place, qemu, options);
  }
}

async function bakeOnce(
  ctx: BuildContext,
  { definition, arch }: CloudSubject,
  recipe: Recipe,
  place: Place,
  qemu: QemuTool,
  options: DiskOptions,
): Promise<BakedDisk> {
  const { name } = definition;
  ctx.onEvent({ type: 'start', step: 'find', title: `looking for ${name}` });
  const file = await resolveAt(ctx, recipe, place);
  ctx.onEvent({ type: 'end', step: 'find', note: `${file.origin.label} (${file.trust})`, cached: true });
  if (file.trust === 'unchecked') {
    ctx.log.warn(`${name}: its vendor signs it, but the key does not come along; its sums are the server's word alone`);
  }
  const maxVirtualSize = options.maxVirtualSize ?? DEFAULT_MAX_VIRTUAL_SIZE;
  const sums = withOwn(file, parseSums({ sha256: options.sha256, sha512: options.sha512 }));
  const opened = await openOrigin(ctx, file.origin, { sums, allowUnverified: false, maxSize: maxVirtualSize });
  await checkImageSignature(ctx, file, opened);
  const { size = 0, trust } = file;
  const vendor = { url: file.origin.label, trust };
  await writeRecord(ctx, 'vendor', recordOf(name, arch), { ...vendor, digest: opened.digest, ...(size && { size }) });
  return prepare(ctx, definition, opened, vendor, qemu, options);
}

/** Without a network the newest file is the one that was found last. OFFLINE. */
async function bakeKnown(
  ctx: BuildContext,
  { definition, arch }: CloudSubject,
  qemu: QemuTool,
  options: DiskOptions,
): Promise<BakedDisk> {
  const { name } = definition;
  const known = await readRecord(ctx, 'vendor', recordOf(name, arch), vendorRecord);
  if (!known?.trust) {
    const hint = 'bake it once without --offline, or fetch its image elsewhere and bake that file by its path';
    throw new VirtainersError('OFFLINE', `${name}: it was never fetched, and --offline fetches nothing`, { hint });
  }
  const { url, trust, digest } = known;
  const own = parseSums({ sha256: options.sha256, sha512: options.sha512 });
  const origin = parseOrigin(url);
  if (origin.kind !== 'url') throw new Error(`${url} is no URL`);
  const sums = withOwn({ origin, sums: { sha256: digest.slice(7) } }, own);
  const maxSize = options.maxVirtualSize ?? DEFAULT_MAX_VIRTUAL_SIZE;
  const opened = await openOrigin(ctx, origin, { sums, allowUnverified: false, maxSize });
  return prepare(ctx, definition, opened, { url, trust }, qemu, options);
}

async function prepare(
  ctx: BuildContext,
  definition: CloudDefinition,
  opened: OriginFile,
  vendor: NonNullable<BakedDisk['vendor']>,
  qemu: QemuTool,
  options: DiskOptions,
): Promise<BakedDisk> {
  const disk = await prepareForeignDisk(ctx, opened, qemu, {
    name: vendor.url,
    maxVirtualSize: options.maxVirtualSize ?? DEFAULT_MAX_VIRTUAL_SIZE,
    size: options.size,
    minSize: definition.minDisk,
  });
  return { disk, sourceDigest: opened.digest, convertedBy: disk.convertedBy, vendor };
}

/** The records of amd64 are older than the choice. */
function recordOf(name: string, arch: Architecture): string {
  return arch === 'amd64' ? name : `${name} ${arch}`;
}

/** What a definition's file was when it was last looked for. */
export async function lastResolved(
  ctx: Pick<BuildContext, 'cacheDir'>,
  name: string,
): Promise<z.infer<typeof vendorRecord> | undefined> {
  return readRecord(ctx, 'vendor', name, vendorRecord);
}

const vendorRecord = z.object({
  url: z.string(),
  digest: z.string(),
  size: z.number().optional(),
  trust: z.enum(TRUSTS).optional(),
});

/** The user's own sums must be the vendor's. */
function withOwn({ sums, origin }: Pick<VendorFile, 'sums' | 'origin'>, own: Sums): Sums {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const [asked, said] = [own[algorithm], sums[algorithm]];
    if (asked !== undefined && said !== undefined && asked !== said) {
      throw mismatch(origin.label, `${algorithm}:${asked}`, `${algorithm}:${said}`);
    }
  }
  return { sha256: own.sha256 ?? sums.sha256, sha512: own.sha512 ?? sums.sha512 };
}

/** Once for each content and key: the image is read for it. */
async function checkImageSignature(ctx: BuildContext, file: VendorFile, opened: OriginFile): Promise<void> {
  if (!file.imageSignature) return;
  const { bytes, key } = file.imageSignature;
  const about = { digest: opened.digest, fingerprints: key.fingerprints };
  if (await readRecord(ctx, 'signed', about, z.object({}))) return;
  await withCacheFolder(ctx, 'tmp', 'signed', async (folder) =>
    verifyDetached(ctx, key, bytes, { path: await opened.open(folder) }, file.origin.label),
  );
  await writeRecord(ctx, 'signed', about, {});
}

function summary(name: string, failures: readonly VirtainersError[]): VirtainersError {
  const [first, ...others] = failures;
  if (first === undefined) return new VirtainersError('DEFINITION_INVALID', `${name} names no server`);
  if (others.length === 0) return first;
  const worst = failures.find(({ code }) => code !== 'SOURCE_UNAVAILABLE') ?? first;
  const message = `${name}: no server has it as it should be\n  ${failures.map((one) => one.message).join('\n  ')}`;
  return new VirtainersError(worst.code, message, { hint: worst.hint, cause: worst });
}
