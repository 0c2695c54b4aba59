import { ENGINES } from '../engine/engine.ts';
import type { Check, CheckContext, Finding } from './check.ts';

/** One row an engine. One of them is enough. */
export const engineChecks: readonly Check[] = ENGINES.map((dialect) => ({
  name: dialect.name,
  title: `engine: ${dialect.program}`,
  check: async (context) => examineEngine(context, dialect.name),
  remedy: dialect.remedy,
}));

function examineEngine({ answers, kernel }: CheckContext, name: string): Finding {
  const answer = answers.find(({ dialect }) => dialect.name === name);
  if (!answer?.engine) {
    const other = answers.some(({ engine }) => engine);
    return { status: other ? 'warning' : 'failed', detail: answer?.problem ?? 'not asked' };
  }
  const { info } = answer.engine;
  const rights = info.rootless ? 'rootless: guests are reached by published ports' : 'rootful';
  const remote = info.kernel === kernel ? '' : ', on another machine';
  return { status: 'ok', detail: `${info.version}, ${rights}${remote}` };
}
