import { Parser } from 'xml2js';
import { z } from 'zod';

/** What we read back from a running domain (libvirt, formatdomain.html). The only file that knows an XML parser. */
export interface LiveDomain {
  readonly uuid: string;
  /** Host side of the serial console: /dev/pts/N. */
  readonly consolePty: string | undefined;
  /** Unix sockets of the virtio channels, by channel name. */
  readonly channels: Readonly<Record<string, string>>;
  /** Interfaces in order: alias (`net0`) and target device where there is one. */
  readonly interfaces: readonly { readonly alias: string; readonly device: string | undefined }[];
}

const LISTS = new Set(['console', 'channel', 'interface']);

const attribute = z.string().optional();
const channel = z.object({
  source: z.object({ $: z.object({ path: attribute }) }).optional(),
  target: z.object({ $: z.object({ name: attribute }) }).optional(),
});
const liveDomain = z.object({
  domain: z.object({
    uuid: z.string(),
    devices: z.object({
      console: z.array(z.object({ $: z.object({ tty: attribute }) })).optional(),
      channel: z.array(channel).optional(),
      interface: z
        .array(
          z.object({
            alias: z.object({ $: z.object({ name: z.string() }) }),
            target: z.object({ $: z.object({ dev: attribute }) }).optional(),
          }),
        )
        .optional(),
    }),
  }),
});

/** Parses what `virsh dumpxml` prints. */
export async function parseLiveDomain(xml: string): Promise<LiveDomain> {
  const parser = new Parser({ explicitArray: false });
  const { devices, uuid } = liveDomain.parse(normalize(await parser.parseStringPromise(xml))).domain;
  return {
    uuid,
    consolePty: devices.console?.[0]?.$.tty,
    channels: Object.fromEntries(
      (devices.channel ?? []).flatMap(({ source, target }) =>
        source?.$.path && target?.$.name ? [[target.$.name, source.$.path]] : [],
      ),
    ),
    interfaces: (devices.interface ?? []).map(({ alias, target }) => ({ alias: alias.$.name, device: target?.$.dev })),
  };
}

/** xml2js gives one element as itself and two as a list; here they are lists always. */
function normalize(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normalize);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => {
    const plain = normalize(item);
    return [key, LISTS.has(key) && !Array.isArray(plain) ? [plain] : plain];
  });
  return Object.fromEntries(entries);
}
