import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError, IN_IMAGE, makeExec, makeLog, makeSpawn, parseMachine } from '@virtainers/core';
import { parseArguments } from './config/arguments.ts';
import { type Config, parseConfig } from './config/parse.ts';
import { readContainerFacts } from './container/facts.ts';
import { readFeatures } from './container/features.ts';
import { readSharedEntries } from './container/shares.ts';
import { chooseDriver, type Driver } from './daemon/driver.ts';
import { makeVirsh, type Virsh } from './domain/virsh.ts';
import type { Deps } from './lifecycle/deps.ts';
import { readOsinfo, runMachine } from './lifecycle/run.ts';
import { connectGuest } from './verbs/connect.ts';
import { copyDisk } from './verbs/copy.ts';
import { showHelp, showVersion } from './verbs/help.ts';
import type { MachineDeps } from './verbs/machine.ts';
import { checkContainer, printXml } from './verbs/plan.ts';
import { openShell } from './verbs/shell.ts';
import { snapshotMachine } from './verbs/snapshot.ts';
import { reportHealth, reportStatus } from './verbs/status.ts';

/** The supervisor: the one program that tini runs. The only file here that knows a process, its arguments and its signals. */
async function main(): Promise<number> {
  const started = performance.now() - process.uptime() * 1000;
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  const driver = chooseDriver(uid, gid, process.env['XDG_RUNTIME_DIR'] ?? '/tmp/virtainers');
  const statusPath = driver.kind === 'system' ? IN_IMAGE.status : join(driver.runFolder, 'status.json');
  const out = (text: string) => void process.stdout.write(`${text}\n`);
  const args = parseArguments(process.argv.slice(2));
  switch (args.verb) {
    case 'help':
      return showHelp(out);
    case 'version':
      return showVersion(out);
    case 'health':
      return reportHealth(statusPath, out);
    case 'status':
      return reportStatus(statusPath, out, args.follow);
    case 'connect':
      return connectGuest(statusPath, agentOf(driver), args.args, process.stdin, process.stdout);
    case 'copy':
      return copyDisk(machineDeps(driver, statusPath, out));
    case 'snapshot':
      return snapshotMachine(machineDeps(driver, statusPath, out), args.args);
    case 'shell':
      return openShell(makeSpawn(), driver, args);
    case 'run':
    case 'xml':
    case 'check':
      break;
  }
  // Before anything is waited for: a stop that comes first is a stop, too. Verbs that only look end as any program does.
  const stopAsked = args.verb === 'run' ? stopSignal() : new Promise<never>(() => undefined);
  const [machine, osinfo, facts, features] = await Promise.all([
    readFile(IN_IMAGE.machine, 'utf8').then((text) => parseMachine(text, IN_IMAGE.machine)),
    readOsinfo(),
    readContainerFacts(uid, gid),
    readFeatures(),
  ]);
  const config: Config = parseConfig({
    env: process.env,
    args: process.argv.slice(2).filter((word) => word !== args.verb),
    machine,
    osinfo,
    memoryLimitBytes: facts.memoryLimitBytes,
    readSecret: (path) => readFileSync(path, 'utf8'),
  });
  const log = makeLog((line) => void process.stderr.write(`${line}\n`), {
    prefix: 'virtainers: ',
    debug: config.debug,
  });
  const onRun = (argv: readonly string[]) => log.debug(`running ${argv.join(' ')}`);
  const deps: Deps = {
    exec: makeExec(onRun),
    spawn: makeSpawn(onRun),
    log,
    config,
    machine,
    facts,
    features,
    sharedEntries: await readSharedEntries(facts.mountinfo),
    driver,
    hostname: hostname(),
    templates: join(dirname(fileURLToPath(import.meta.url)), 'templates'),
    statusPath,
    writeConsole: (bytes) => new Promise((resolve) => void process.stdout.write(bytes, () => resolve())),
    stopAsked,
    clock: () => performance.now() - started,
  };
  if (args.verb === 'xml') return printXml(deps, out);
  if (args.verb === 'check') return checkContainer(deps, out);
  return runMachine(deps);
}

/** The agent of a domain that another process of this container started. */
function agentOf({ uri, env }: Driver): (domain: string) => Virsh['agent'] {
  return (domain) => makeVirsh(makeExec(), makeSpawn(), { uri, env, domain }).agent;
}

/** For verbs that the command on the host calls, which hears of them line by line and stays until its input ends. */
function machineDeps(driver: Driver, statusPath: string, out: (text: string) => void): MachineDeps {
  const inputEnded = new Promise<void>((resolve) => {
    process.stdin
      .once('end', resolve)
      .once('close', resolve)
      .once('error', () => resolve());
    process.stdin.resume();
  });
  // Whoever listened may be gone before the last word: the disk is put in order all the same.
  process.stdout.on('error', () => undefined);
  const answer: MachineDeps['answer'] = (document) => out(JSON.stringify(document));
  return { exec: makeExec(), spawn: makeSpawn(), driver, statusPath, env: process.env, answer, inputEnded };
}

/** The first one counts; the handlers stay, so that a second one does not kill what is being ended. */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP'] as const) process.on(signal, () => resolve(signal));
  });
}

process.exitCode = await main().catch((error: unknown) => {
  const { lines, exitCode } = describeError(error);
  for (const line of lines) process.stderr.write(`virtainers: ${line}\n`);
  return exitCode;
});
// Watchers and sockets of the verbs may still be open; everything that matters has been awaited.
process.exit();
