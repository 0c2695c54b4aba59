import type { HostContext } from '../context.ts';
import { askEngines } from '../engine/find.ts';
import { cacheFolder } from './cache.ts';
import type { Check, CheckContext, CheckStatus } from './check.ts';
import { kvm, tun } from './devices.ts';
import { engineChecks } from './engines.ts';
import { sshKey, toolChecks } from './tools.ts';

export interface CheckReport {
  readonly name: string;
  readonly title: string;
  readonly status: CheckStatus;
  readonly detail: string;
  readonly remedy?: string | undefined;
}

export interface DoctorReport {
  /** An engine answers, so a virtual machine runs, be it slowly. */
  readonly canRun: boolean;
  readonly checks: readonly CheckReport[];
}

/** Every check, in the order in which they are shown. */
export const CHECKS: readonly Check[] = [...engineChecks, kvm, tun, ...toolChecks, cacheFolder, sshKey];

/** What this machine can do. Never throws for what is missing: that is a report's line. */
export async function examine(context: HostContext, cacheDir: string): Promise<DoctorReport> {
  const answers = await askEngines(context);
  const asked: CheckContext = { ...context, cacheDir, answers };
  const checks = await Promise.all(CHECKS.map((row) => examineOne(row, asked)));
  return { canRun: answers.some(({ engine }) => engine), checks };
}

async function examineOne({ name, title, check, remedy }: Check, context: CheckContext): Promise<CheckReport> {
  const finding = await check(context);
  const { status, detail } = finding;
  return status === 'ok'
    ? { name, title, status, detail }
    : { name, title, status, detail, remedy: finding.remedy ?? remedy };
}
