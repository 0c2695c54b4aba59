import { z } from 'zod';
import { parseJson } from './json.ts';

/** The states of a virtainer, in the order in which they come. */
export const STATES = [
  'preparing',
  'starting',
  'booting',
  'network',
  'cloud-init',
  'ready',
  'degraded',
  'stopping',
  'saved',
  'stopped',
  'failed',
] as const;

export type State = (typeof STATES)[number];

const FORMAT_VERSION = 1;

/**
 * /run/virtainers/status.json (IN_IMAGE.status): what the supervisor tells whoever asks; written atomically. Fields may be
 * added within a format version: whoever does not know them passes them over.
 */
export const statusSchema = z.object({
  formatVersion: z.literal(FORMAT_VERSION),
  /** Of the container's PID 1: a file that an earlier life of the container left behind has another one. */
  life: z.string(),
  state: z.enum(STATES),
  /** ISO 8601, when the state began. */
  since: z.string(),
  /** One sentence for people: what is being waited for, or why it failed. */
  message: z.string().optional(),
  vmName: z.string(),
  /** The guest's login user. */
  user: z.string().optional(),
  /** libvirt's driver: root in the container or not. */
  driver: z.enum(['system', 'session']),
  /** The guest goes on where saved memory left it; it has not booted. */
  resumed: z.boolean().optional(),
  accelerator: z.object({ kind: z.enum(['kvm', 'tcg']), reason: z.string() }).optional(),
  network: z
    .object({
      mode: z.string(),
      reason: z.string(),
      /** Addresses of the container under which the guest answers. */
      addresses: z.array(z.string()),
      /** The guest's own address where it is another one. */
      guestAddress: z.string().optional(),
      /** In the guest's order. */
      nics: z
        .array(
          z.object({
            /** The container's interface. */
            link: z.string(),
            mode: z.string(),
            mac: z.string().optional(),
            addresses: z.array(z.string()),
            guestAddress: z.string().optional(),
          }),
        )
        .optional(),
      /** What is forwarded, where forwarding is by port. */
      ports: z.array(z.object({ protocol: z.enum(['tcp', 'udp']), container: z.number(), guest: z.number() })),
    })
    .optional(),
  /** Beside the machine's own, in the guest's order. */
  disks: z
    .array(
      z.object({
        name: z.string(),
        /** /dev/disk/by-id/virtio-SERIAL in the guest. */
        serial: z.string(),
        /** libvirt's name: `vdc`. */
        target: z.string(),
        /** Path in the container. */
        from: z.string(),
        format: z.string(),
        /** What the guest sees, in bytes. */
        size: z.number().optional(),
        readonly: z.boolean(),
      }),
    )
    .optional(),
  /** Folders of the container that the guest has; absent: none. A machine with one cannot be saved. */
  shares: z
    .array(
      z.object({
        name: z.string(),
        /** In the guest. */
        guest: z.string(),
        readonly: z.boolean(),
        driver: z.enum(['virtiofs', '9p']),
      }),
    )
    .optional(),
  /** Milliseconds from the supervisor's start to the first time each state was reached, and `running` (QEMU runs code). */
  timings: z.record(z.string(), z.number()),
  exitCode: z.number().optional(),
});

export type Status = z.infer<typeof statusSchema>;

/** What somebody's supervisor said: the image may be of another version than whoever asks. */
export type StatusReading =
  | { readonly kind: 'status'; readonly status: Status }
  /** Of a newer supervisor: `what` there is in it that we do not know; another status may follow that we do. */
  | { readonly kind: 'newer'; readonly what: string; readonly sameFormat: boolean }
  /** No status at all. */
  | { readonly kind: 'none' };

/** Reads one status from JSON. */
export function readStatusText(text: string): StatusReading {
  const json = parseJson(text);
  const parsed = statusSchema.safeParse(json);
  if (parsed.success) return { kind: 'status', status: parsed.data };
  const { formatVersion = 0, state } = headSchema.safeParse(json).data ?? {};
  if (formatVersion > FORMAT_VERSION) {
    return { kind: 'newer', what: `format version ${formatVersion}`, sameFormat: false };
  }
  if (formatVersion < FORMAT_VERSION || state === undefined || isState(state)) return { kind: 'none' };
  return { kind: 'newer', what: `the state ${JSON.stringify(state.slice(0, 40))}`, sameFormat: true };
}

/** What every format version has. */
const headSchema = z.object({ formatVersion: z.int(), state: z.string().optional() });

function isState(word: string): word is State {
  return STATES.some((state) => state === word);
}
