import { Parser } from 'xml2js';
import { z } from 'zod';

/** What we read back from a running domain (libvirt, formatdomain.html). The only file that knows an XML parser. */
export interface LiveDomain {
  /** Unix sockets of the virtio channels, by channel name. */
  readonly channels: Readonly<Record<string, string>>;
}

const attribute = z.string().optional();
const channel = z.object({
  source: z.object({ $: z.object({ path: attribute }) }).optional(),
  target: z.object({ $: z.object({ name: attribute }) }).optional(),
});
const liveDomain = z.object({
  domain: z.object({ devices: z.object({ channel: z.preprocess(asList, z.array(channel)) }) }),
});

/** Parses what `virsh dumpxml` prints. */
export async function parseLiveDomain(xml: string): Promise<LiveDomain> {
  const parser = new Parser({ explicitArray: false });
  const { devices } = liveDomain.parse(await parser.parseStringPromise(xml)).domain;
  const named = devices.channel.flatMap(({ source, target }): [string, string][] =>
    source?.$.path && target?.$.name ? [[target.$.name, source.$.path]] : [],
  );
  return { channels: Object.fromEntries(named) };
}

/** xml2js gives no element as nothing, one as itself and several as a list. */
function asList(value: unknown): unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
