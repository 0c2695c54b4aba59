import { join } from 'node:path';
import { type Digest, digestBytes, VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { openDockerArchive } from '../oci/docker-archive.ts';
import type { ImageOrigin, Transport } from '../oci/image-origin.ts';
import { openCopy, openImage, type StoredImage } from '../oci/read-layout.ts';
import { type RegistryOptions, readRegistryImage, withDigest } from '../oci/registry-image.ts';
import { skopeo } from '../oci/skopeo.ts';
import { imageId } from '../sink/engine.ts';
import { withCacheFolder } from '../work-folder.ts';

interface Door {
  /** Which image it is, by its documents alone: the digest of its manifest; where Docker has none, its image id. */
  identify(ctx: BuildContext, origin: ImageOrigin, options: RegistryOptions): Promise<Digest>;
  /** Its documents and blobs in files; those fetched for it lie in `folder`. */
  open(
    ctx: BuildContext,
    origin: ImageOrigin,
    folder: string,
    digest: Digest,
    options: RegistryOptions,
  ): Promise<StoredImage>;
}

const DOORS: Record<Transport, Door> = {
  registry: {
    identify: async (ctx, { name }, options) => (await readRegistryImage(ctx, oneDigest(name), options)).digest,
    open: (ctx, { name, label }, folder, digest, { insecure }) => {
      // Byte for byte: a manifest that had to be written anew would have another digest.
      const how = ['--preserve-digests', ...(insecure ? ['--src-tls-verify=false'] : [])];
      return copy(ctx, `docker://${withDigest(name, digest)}`, label, folder, how);
    },
  },
  'containers-storage': {
    identify: async (ctx, { name }) => {
      const args = ['inspect', '--raw', `containers-storage:${name}`];
      return digestBytes((await skopeo(ctx, args)).stdout);
    },
    // Podman keeps layers unpacked, whatever the manifest says that it pulled: the copy's says what it gives.
    open: (ctx, { name, label }, folder) => copy(ctx, `containers-storage:${name}`, label, folder, []),
  },
  'docker-daemon': {
    identify: async (ctx, { name }) => {
      const id = await imageId(ctx, 'docker', name);
      if (id !== undefined) return `sha256:${id}`;
      throw new VirtainersError('SOURCE_UNAVAILABLE', `reading docker-daemon:${name}: Docker has no such image`, {
        hint: `docker pull ${name}`,
      });
    },
    // Docker's own client knows where its daemon is; skopeo would have to be told.
    open: async (ctx, { name }, folder) => {
      const path = join(folder, 'image.tar');
      await ctx.exec('docker', ['save', '--output', path, name], { env: ctx.env, signal: ctx.signal });
      return openDockerArchive(path);
    },
  },
  'docker-archive': {
    identify: async (_, { name, reference }) => (await openDockerArchive(name, reference)).digest,
    open: (_, { name, reference }) => openDockerArchive(name, reference),
  },
  layout: {
    identify: async (_, { name, reference }, { arch }) => (await openImage(name, arch, reference)).digest,
    open: (_, { name, reference }, _folder, _digest, { arch }) => openImage(name, arch, reference),
  },
};

/** Reads no layer. SOURCE_UNAVAILABLE, ARCHIVE_INVALID, DIGEST_MISMATCH; COMMAND_FAILED with what skopeo says. */
export async function identifyImage(
  ctx: BuildContext,
  origin: ImageOrigin,
  options: RegistryOptions = {},
): Promise<Digest> {
  return missing(origin, () => DOORS[origin.transport].identify(ctx, origin, options));
}

/** For the time of `use`; `folder` is for its own files and goes with it. */
export async function withImage<T>(
  ctx: BuildContext,
  origin: ImageOrigin,
  digest: Digest,
  options: RegistryOptions,
  use: (image: StoredImage, folder: string) => Promise<T>,
): Promise<T> {
  return withCacheFolder(ctx, 'tmp', 'image', async (folder) => {
    const image = await missing(origin, () => DOORS[origin.transport].open(ctx, origin, folder, digest, options));
    return use(image, folder);
  });
}

async function copy(
  ctx: BuildContext,
  from: string,
  label: string,
  folder: string,
  how: readonly string[],
): Promise<StoredImage> {
  const to = join(folder, 'copy');
  await skopeo(ctx, ['copy', ...how, from, `dir:${to}`]);
  return openCopy(to, label);
}

/** skopeo takes a tag or a digest, not both; the digest says more. */
function oneDigest(name: string): string {
  const at = name.indexOf('@');
  return at === -1 ? name : withDigest(name, name.slice(at + 1));
}

async function missing<T>({ name, label }: ImageOrigin, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' || path !== name) throw error;
    throw new VirtainersError('SOURCE_UNAVAILABLE', `reading ${label}: there is no such file`, { cause: error });
  }
}
