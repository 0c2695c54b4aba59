import { z } from 'zod';

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

/** /run/virtainers/status.json (IN_IMAGE.status): what the supervisor tells whoever asks; written atomically. */
export const statusSchema = z.object({
  formatVersion: z.literal(1),
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
  accelerator: z.object({ kind: z.enum(['kvm', 'tcg']), reason: z.string() }).optional(),
  network: z
    .object({
      mode: z.string(),
      reason: z.string(),
      /** Addresses of the container under which the guest answers. */
      addresses: z.array(z.string()),
      /** The guest's own address where it is another one. */
      guestAddress: z.string().optional(),
      /** What is forwarded, where forwarding is by port. */
      ports: z.array(z.object({ protocol: z.enum(['tcp', 'udp']), container: z.number(), guest: z.number() })),
    })
    .optional(),
  /** Milliseconds from the supervisor's start to the first time each state was reached, and `running` (QEMU runs code). */
  timings: z.record(z.string(), z.number()),
  exitCode: z.number().optional(),
});

export type Status = z.infer<typeof statusSchema>;
