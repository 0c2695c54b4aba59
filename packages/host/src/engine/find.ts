import { VirtainersError } from '@virtainers/core';
import type { HostContext } from '../context.ts';
import { ENGINES, type EngineDialect, type EngineInfo, type EngineName } from './engine.ts';

/** An engine that answers. */
export interface Engine {
  readonly dialect: EngineDialect;
  readonly info: EngineInfo;
}

/** What came of asking one engine: either `engine`, or `problem` and what to do about it. */
export interface Answer {
  readonly dialect: EngineDialect;
  readonly engine?: Engine;
  readonly problem?: string;
}

/** Asks every engine, or only `wanted`, side by side. Never throws for one that is not there. */
export async function askEngines(context: HostContext, wanted?: EngineName): Promise<Answer[]> {
  const dialects = ENGINES.filter((dialect) => wanted === undefined || dialect.name === wanted);
  return Promise.all(dialects.map((dialect) => ask(context, dialect)));
}

/** The engines that answer, in the table's order; at least one. Throws ENGINE_UNAVAILABLE naming what was tried. */
export async function findEngines(context: HostContext, wanted?: EngineName): Promise<Engine[]> {
  const answers = await askEngines(context, wanted);
  const engines = answers.flatMap(({ engine }) => (engine ? [engine] : []));
  if (engines.length > 0) return engines;
  throw new VirtainersError('ENGINE_UNAVAILABLE', describeAnswers(answers), {
    hint: answers.map(({ dialect }) => dialect.remedy).join('; or '),
  });
}

/** The first that answers. ENGINE_UNAVAILABLE. */
export async function firstEngine(context: HostContext): Promise<EngineName> {
  const [engine] = await findEngines(context);
  if (!engine) throw new Error('findEngines gave no engine, and no error');
  return engine.dialect.name;
}

function describeAnswers(answers: readonly Answer[]): string {
  const tried = answers.map(({ dialect, problem }) => `  ${dialect.name}: ${problem}`);
  return ['no container engine answers; tried', ...tried].join('\n');
}

async function ask(context: HostContext, dialect: EngineDialect): Promise<Answer> {
  try {
    const options = { allowFailure: true, timeoutMs: 30_000, signal: context.signal };
    const { stdout, stderr } = await context.exec(dialect.program, dialect.infoArgs, options);
    const info = dialect.parseInfo(stdout);
    if (info) return { dialect, engine: { dialect, info } };
    return { dialect, problem: lastLine(stderr) ?? `\`${dialect.program} info\` is not ${dialect.name}'s` };
  } catch (error) {
    if (context.signal?.aborted || !(error instanceof VirtainersError)) throw error;
    return { dialect, problem: error.message };
  }
}

function lastLine(text: string): string | undefined {
  return text.trim().split('\n').at(-1)?.trim() || undefined;
}
