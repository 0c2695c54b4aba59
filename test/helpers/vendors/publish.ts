import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture } from '@virtainers/core';
import type { CloudDefinition } from '../../../packages/builder/src/definition/schema.ts';
import { redirectTo } from '../vendor-faults.ts';
import { startVendorServer, type VendorServer } from '../vendor-server.ts';
import { type Fixture, sha256 } from './kit.ts';
import type { Signer } from './signer.ts';

/** A server for every host that these fixtures name. */
export async function serveHosts(fixtures: readonly Fixture[]): Promise<VendorServer> {
  const urls = fixtures.flatMap(({ files, redirects = {}, archive = {} }) =>
    Object.keys({ ...files, ...redirects, ...archive }),
  );
  const hosts = new Set(urls.map((url) => new URL(url).origin));
  return startVendorServer({ files: Object.fromEntries([...hosts].map((host) => [`${host}/`, Buffer.alloc(0)])) });
}

/** Puts a release there, and what is to be otherwise; the returned function takes all of it away again. */
export function publish(
  server: VendorServer,
  { files, redirects = {} }: Fixture,
  otherwise: Readonly<Record<string, Buffer | undefined>> = {},
): () => void {
  const all = Object.entries({ ...files, ...otherwise }).filter(
    (file): file is [string, Buffer] => file[1] !== undefined,
  );
  for (const [url, content] of all) server.put(url, content);
  for (const [url, target] of Object.entries(redirects)) {
    server.put(url, Buffer.alloc(0));
    server.misbehave(redirectTo(target), url);
  }
  return () => {
    for (const [url] of all) server.remove(url);
    for (const url of Object.keys(redirects)) {
      server.remove(url);
      server.misbehave(undefined, url);
    }
  };
}

/**
 * A definition as it is shipped, but for what no test can have: its vendor's secret key (the test's own stands for it, also where
 * none comes along yet) and disks of the pinned sums.
 */
export async function asTested(
  definition: CloudDefinition,
  { images }: Fixture,
  folder: string,
  signer: Pick<Signer, 'fingerprint' | 'publicKey'>,
): Promise<CloudDefinition> {
  await mkdir(join(folder, 'keys'), { recursive: true });
  await writeFile(join(folder, 'keys', 'test.asc'), signer.publicKey);
  const { signature } = definition;
  const key = { key: 'test', fingerprints: [signer.fingerprint] };
  const architectures = Object.entries(definition.architectures).map(([arch, own]) => {
    const disk = images[arch as Architecture]?.disk ?? Buffer.alloc(0);
    return [arch, own?.pin ? { ...own, pin: { sha256: sha256(disk) } } : own];
  });
  return {
    ...definition,
    path: join(folder, `${definition.stem}.yaml`),
    architectures: Object.fromEntries(architectures) as CloudDefinition['architectures'],
    signature: signature.kind === 'none' ? signature : { ...signature, ...key },
  };
}
