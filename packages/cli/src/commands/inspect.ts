import { type ImageFacts, inspectImages, readAttestation } from '@virtainers/builder';
import { formatSize, VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import { makeBuildContext } from '../build-context.ts';
import { renderColumns } from '../columns.ts';
import type { Action } from '../context.ts';
import { flag, parseOptions } from '../options.ts';

export const schema = z.object({
  insecure: flag,
  sbom: flag,
  provenance: flag,
  cacheDir: z.string().optional(),
  json: flag,
});

export const action: Action = async (cli, [origin = ''], raw) => {
  const { insecure, sbom, provenance, cacheDir, json } = parseOptions(schema, raw);
  const ctx = makeBuildContext(cli, cacheDir);
  if (sbom && provenance) throw new VirtainersError('ARGUMENTS_BAD', '--sbom and --provenance: one at a time');
  if (sbom || provenance) {
    const document = await readAttestation(ctx, origin, sbom ? 'sbom' : 'provenance', { insecure });
    cli.print(document.toString('utf8').trimEnd());
    return 0;
  }
  const images = await inspectImages(ctx, origin, { insecure });
  const [only] = images;
  if (json) cli.print(JSON.stringify(images.length === 1 ? only : images, null, 2));
  else
    for (const [index, facts] of images.entries())
      for (const line of [...(index > 0 ? [''] : []), ...renderFacts(facts)]) cli.print(line);
  return 0;
};

export function renderFacts(facts: ImageFacts): string[] {
  const layers = facts.layers.map((layer) => [
    `  ${layer.what ?? 'layer'}`,
    formatSize(layer.size),
    layer.digest,
    layer.mediaType,
  ]);
  return [...renderColumns(describe(facts)), 'layers, bottom first:', ...renderColumns(layers)];
}

function describe(facts: ImageFacts): [string, string][] {
  const { disk } = facts;
  const rows: [string, string | undefined][] = [
    ['image', facts.reference ?? facts.origin],
    ['digest', facts.digest],
    ['size', formatSize(facts.size)],
    ['created', facts.created],
    ['architecture', facts.arch],
    ['virtainer', facts.virtainer ? (facts.name ?? 'yes') : 'no: an ordinary container image'],
    ['login user', facts.user],
    ['osinfo', facts.osinfo],
    ['ports', facts.ports.length > 0 ? facts.ports.join(', ') : undefined],
    ['firmware', facts.firmware],
    ['features', facts.features.length > 0 ? facts.features.join(', ') : undefined],
    ['disk', disk && `${formatSize(disk.size)}, ${formatSize(disk.virtualSize)} for the guest`],
    ['disk digest', disk?.sha256],
  ];
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as [string, string]]));
}
