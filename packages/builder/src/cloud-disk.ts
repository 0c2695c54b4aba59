import { readFile } from 'node:fs/promises';
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
import { mismatch, parseSums } from './source/sums.ts';
import { type Place, type Recipe, resolveAt, TRUSTS, type VendorFile } from './source/vendor.ts';
import { withCacheFolder } from './work-folder.ts';

/** What another server, or the same one a moment later, may have right. */
const PASSING = ['SOURCE_UNAVAILABLE', 'DIGEST_MISMATCH', 'SIGNATURE_BAD'];

/** Which of a vendor's cloud images, and what with. */
interface CloudBake {
  readonly definition: CloudDefinition;
  readonly arch: Architecture;
  readonly qemu: QemuTool;
  readonly options: DiskOptions;
}

/**
 * A vendor's cloud image: found at the first place that has it, checked as its definition says, made ready for an image.
 * The error of the only place, or of all of them: SOURCE_UNAVAILABLE, DIGEST_MISMATCH, SIGNATURE_BAD; DISK_REFUSED.
 */
export async function bakeCloudDisk(ctx: BuildContext, bake: CloudBake): Promise<BakedDisk> {
  const { definition, arch, options } = bake;
  await checkVendorKey(definition, options);
  const recipe = recipeFor(definition, arch, options.vendorKey);
  if (!recipe) throw noSuchArchitecture(definition, arch);
  if (ctx.offline) return bakeKnown(ctx, bake);
  const failures: VirtainersError[] = [];
  for (const place of recipe.places) {
    try {
      return await bakeFrom(ctx, bake, recipe, place);
    } catch (error) {
      if (!(error instanceof VirtainersError) || !PASSING.includes(error.code)) throw error;
      failures.push(error);
      if (failures.length < recipe.places.length) ctx.log.warn(`${error.message}; trying the next server`);
    }
  }
  throw summary(definition.name, failures);
}

/** ARGUMENTS_BAD for a key that cannot be read, or would never be looked at. */
async function checkVendorKey({ name, signature }: CloudDefinition, { vendorKey }: DiskOptions): Promise<void> {
  if (vendorKey === undefined) return;
  if (signature.kind !== 'none' && signature.key === undefined) {
    await readFile(vendorKey).catch((cause: unknown) => {
      throw new VirtainersError('ARGUMENTS_BAD', `--vendor-key ${vendorKey}: ${(cause as Error).message}`, { cause });
    });
    return;
  }
  const why = signature.kind === 'none' ? 'its vendor signs nothing' : 'the key of its vendor comes along';
  throw new VirtainersError('ARGUMENTS_BAD', `--vendor-key: not for ${name}; ${why}`);
}

async function bakeFrom(ctx: BuildContext, bake: CloudBake, recipe: Recipe, place: Place): Promise<BakedDisk> {
  try {
    return await bakeOnce(ctx, bake, recipe, place);
  } catch (error) {
    // A name that moves, such as `latest`, may have moved between the sums and the image.
    const moved = error instanceof VirtainersError && error.code === 'DIGEST_MISMATCH' && recipe.pin === undefined;
    if (!moved) throw error;
    ctx.log.warn(`${error.message}; looking again`);
    return bakeOnce(ctx, bake, recipe, place);
  }
}

async function bakeOnce(ctx: BuildContext, bake: CloudBake, recipe: Recipe, place: Place): Promise<BakedDisk> {
  const { name } = bake.definition;
  ctx.onEvent({ type: 'start', step: 'find', title: `looking for ${name}` });
  const file = await resolveAt(ctx, recipe, place);
  const { size = 0, trust } = file;
  ctx.onEvent({ type: 'end', step: 'find', note: `${file.origin.label} (${trust})`, cached: true });
  if (trust === 'unchecked') {
    ctx.log.warn(
      `${name}: its vendor signs it, but the key does not come along; its sums are the server's word alone. To check it, get the key from the vendor and give --vendor-key FILE`,
    );
  }
  const opened = await openVendorFile(ctx, bake, file);
  await checkImageSignature(ctx, file, opened);
  const vendor = { url: file.origin.label, trust };
  await writeRecord(ctx, 'vendor', recordOf(bake), { ...vendor, digest: opened.digest, ...(size && { size }) });
  return prepare(ctx, bake, opened, vendor);
}

/** Without a network the newest file is the one that was found last. OFFLINE. */
async function bakeKnown(ctx: BuildContext, bake: CloudBake): Promise<BakedDisk> {
  const { name } = bake.definition;
  const known = await readRecord(ctx, 'vendor', recordOf(bake), vendorRecord);
  if (!known?.trust) {
    const hint = 'bake it once without --offline, or fetch its image elsewhere and bake that file by its path';
    throw new VirtainersError('OFFLINE', `${name}: it was never fetched, and --offline fetches nothing`, { hint });
  }
  const { url, trust, digest } = known;
  const origin = parseOrigin(url);
  if (origin.kind !== 'url') throw new Error(`${url} is no URL`);
  const opened = await openVendorFile(ctx, bake, { origin, sums: { sha256: digest.slice(7) } });
  return prepare(ctx, bake, opened, { url, trust });
}

/** The user's own sums must be the vendor's. */
async function openVendorFile(
  ctx: BuildContext,
  { options }: CloudBake,
  { origin, sums }: Pick<VendorFile, 'sums' | 'origin'>,
): Promise<OriginFile> {
  const own = parseSums({ sha256: options.sha256, sha512: options.sha512 });
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const [asked, said] = [own[algorithm], sums[algorithm]];
    if (asked !== undefined && said !== undefined && asked !== said) {
      throw mismatch(origin.label, `${algorithm}:${asked}`, `${algorithm}:${said}`);
    }
  }
  const both = { sha256: own.sha256 ?? sums.sha256, sha512: own.sha512 ?? sums.sha512 };
  return openOrigin(ctx, origin, { sums: both, allowUnverified: false, maxSize: maxSizeOf(options) });
}

async function prepare(
  ctx: BuildContext,
  { definition, qemu, options }: CloudBake,
  opened: OriginFile,
  vendor: NonNullable<BakedDisk['vendor']>,
): Promise<BakedDisk> {
  const disk = await prepareForeignDisk(ctx, opened, qemu, {
    name: vendor.url,
    maxVirtualSize: maxSizeOf(options),
    size: options.size,
    minSize: definition.minDisk,
  });
  return { disk, sourceDigest: opened.digest, convertedBy: disk.convertedBy, vendor };
}

function maxSizeOf({ maxVirtualSize = DEFAULT_MAX_VIRTUAL_SIZE }: DiskOptions): number {
  return maxVirtualSize;
}

/** The records of amd64 are older than the choice. */
function recordOf({ definition: { name }, arch }: CloudBake): string {
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
