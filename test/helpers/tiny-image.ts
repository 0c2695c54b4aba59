import { createHash } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { cacheFolder } from './folders.ts';
import { requireTool } from './process.ts';

/** How `podman run` and `docker run` both name it. */
export const TINY = 'localhost/tiny:1';

const APPLETS = [
  'sh',
  'true',
  'sleep',
  'cat',
  'echo',
  'id',
  'ip',
  'httpd',
  'nc',
  'wget',
  'ls',
  'touch',
  'mkdir',
  'mount',
  'ps',
];

/** An archive (`docker load`, `podman load`) of a static busybox, nothing else; its path. */
export async function tinyImage(): Promise<string> {
  await requireTool('busybox');
  const archive = join(await cacheFolder('tiny'), 'tiny.tar');
  const layer = await tar([
    ['bin/busybox', await readFile('/bin/busybox'), 0o755],
    ...APPLETS.map((name) => [`bin/${name}`, '#!', 0o755] as const),
    ['etc/passwd', 'root:x:0:0:root:/:/bin/sh\n', 0o644],
  ]);
  const temporary = `${archive}.${process.pid}`;
  await writeFile(temporary, await imageArchive(layer));
  await rename(temporary, archive);
  return archive;
}

/** Docker's archive: https://github.com/moby/docker-image-spec, manifest.json. */
async function imageArchive(layer: Buffer): Promise<Buffer> {
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/bin/sh'], Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
    history: [{ created_by: 'busybox' }],
  });
  const manifest = JSON.stringify([{ Config: 'config.json', RepoTags: [TINY], Layers: ['layer.tar'] }]);
  return tar([
    ['config.json', config, 0o644],
    ['layer.tar', layer, 0o644],
    ['manifest.json', manifest, 0o644],
  ]);
}

/** Files with their content and mode; `#!` stands for a link to busybox. */
async function tar(entries: (readonly [name: string, content: string | Buffer, mode: number])[]): Promise<Buffer> {
  const archive = pack();
  const mtime = new Date(0);
  for (const [name, content, mode] of entries) {
    if (content === '#!') archive.entry({ name, type: 'symlink', linkname: 'busybox', mode, mtime });
    else archive.entry({ name, mode, mtime }, content as string);
  }
  archive.finalize();
  return buffer(archive);
}
