import { z } from 'zod';
import { snapshotSchema } from './data/snapshots.ts';
import { ERRORS, type ErrorCode, VirtainersError } from './errors.ts';
import { parseJson } from './json.ts';

const CODES = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];

/**
 * What a verb of the supervisor says to the `virtainers` command that called it through the engine, a JSON document a line.
 * Fields may be added: whoever does not know them passes them over.
 */
export const answerSchema = z.discriminatedUnion('kind', [
  /** In bytes. */
  z.object({ kind: z.literal('progress'), done: z.number(), total: z.number() }),
  /** The copy lies at `path` until the verb's standard input ends; `size`: in bytes, of the file; `snapshots`: how many it does not hold. */
  z.object({
    kind: z.literal('copied'),
    path: z.string(),
    size: z.number(),
    frozen: z.boolean(),
    snapshots: z.number(),
  }),
  /** The oldest first. */
  z.object({ kind: z.literal('snapshots'), snapshots: z.array(snapshotSchema) }),
  /** `kept`: the snapshot that the state before a restore was kept as; `paused`: how long the guest stood still, in ms. */
  z.object({
    kind: z.literal('changed'),
    snapshot: snapshotSchema,
    kept: z.string().optional(),
    paused: z.number().optional(),
    /** Of a snapshot of the disk alone: whether the guest's file systems were frozen for it. */
    frozen: z.boolean().optional(),
  }),
  z.object({
    kind: z.literal('error'),
    code: z.enum(CODES).catch('COMMAND_FAILED'),
    message: z.string(),
    hint: z.string().optional(),
  }),
]);

export type Answer = z.infer<typeof answerSchema>;

/** One line of an answer; undefined where it is none. */
export function parseAnswer(line: string): Answer | undefined {
  return answerSchema.safeParse(parseJson(line)).data;
}

/** A failure, as an answer tells it; what is no VirtainersError is thrown on. */
export function errorAnswer(error: unknown): Answer {
  if (!(error instanceof VirtainersError)) throw error;
  const { code, message, hint } = error;
  return { kind: 'error', code, message, ...(hint === undefined ? {} : { hint }) };
}
