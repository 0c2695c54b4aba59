import type { Exec, ExecOptions, Spawn, SpawnOptions } from '@virtainers/core';
import { exec, PATH, spawn } from './process.ts';

/** On whose behalf, where on the network and with which environment programs run. */
export interface Person {
  /** Network namespace; undefined: the host's. */
  readonly namespace?: string | undefined;
  /** File of a mount namespace; undefined: the host's. */
  readonly mounts?: string | undefined;
  /** An ordinary user; undefined: root. */
  readonly user?: { readonly uid: number; readonly gid: number; readonly home: string } | undefined;
  /** A node that stands in for /dev/net/tun. */
  readonly tun?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
}

/** Exec and Spawn as that person: namespace by nsenter(1), user by setpriv(1), a user's environment from nothing. */
export function becoming(person: Person): { exec: Exec; spawn: Spawn } {
  return {
    exec: (file, args, options = {}) => {
      const plan = commandLine(person, file, args, options);
      return exec(plan.file, plan.args, { ...options, ...plan.options });
    },
    spawn: (file, args, options = {}) => {
      const plan = commandLine(person, file, args, options);
      return spawn(plan.file, plan.args, { ...options, ...plan.options });
    },
  };
}

function commandLine(person: Person, file: string, args: readonly string[], given: ExecOptions | SpawnOptions) {
  const env = { ...person.env, PATH, ...given.env };
  const cwd = given.cwd ?? person.user?.home;
  const words = [
    ...enter(person, cwd),
    ...(person.tun ? showTun(person.tun) : []),
    ...(person.user ? dropTo(person.user, env) : []),
    file,
    ...args,
  ];
  const [first = file, ...rest] = words;
  return { file: first, args: rest, options: { env, cwd } };
}

/** Another mount namespace has a root of its own, where everything starts. */
function enter({ namespace, mounts }: Person, cwd: string | undefined): string[] {
  const namespaces = [
    ...(namespace === undefined ? [] : [`--net=/run/netns/${namespace}`]),
    ...(mounts === undefined ? [] : [`--mount=${mounts}`]),
  ];
  const back = mounts === undefined || cwd === undefined ? [] : ['env', `--chdir=${cwd}`];
  return namespaces.length > 0 ? ['nsenter', ...namespaces, '--', ...back] : [];
}

/** Most machines let anyone open /dev/net/tun, some only root: a mount namespace of the command's own evens it out. */
function showTun(node: string): string[] {
  const script = 'mount --bind "$0" /dev/net/tun && exec "$@"';
  return ['unshare', '--mount', '--propagation', 'slave', '--', 'sh', '-c', script, node];
}

function dropTo(user: NonNullable<Person['user']>, env: Readonly<Record<string, string | undefined>>): string[] {
  const settings = Object.entries(env).filter(([, value]) => value !== undefined);
  return [
    ...['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', '--'],
    ...['env', '-i', ...settings.map(([name, value]) => `${name}=${value}`)],
  ];
}
