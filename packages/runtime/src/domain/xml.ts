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

const disks = z.object({
  domain: z.object({
    devices: z.object({
      disk: z.preprocess(
        asList,
        z.array(
          z.object({
            source: z.object({ $: z.object({ file: attribute }) }).optional(),
            readonly: z.unknown().optional(),
          }),
        ),
      ),
    }),
  }),
});

/** The files that the guest may write as disks, of a domain's XML. */
export async function writableDisks(xml: string): Promise<string[]> {
  const parser = new Parser({ explicitArray: false });
  const { disk } = disks.parse(await parser.parseStringPromise(xml)).domain.devices;
  return disk.flatMap(({ source, readonly }) => (readonly === undefined ? (source?.$.file ?? []) : []));
}

/** xml2js gives no element as nothing, one as itself and several as a list. */
function asList(value: unknown): unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
