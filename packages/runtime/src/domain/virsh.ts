import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Child, diskInUse, type Exec, QemuRefusal, type Spawn, VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import { type LiveDomain, parseLiveDomain } from './xml.ts';

export type ShutdownMode = 'agent' | 'acpi';

/** libvirt, one verb a function; every call is one virsh. */
export interface Virsh {
  /** Has libvirt ask QEMU what it can do, which it otherwise does on the way to the first domain. Never fails. */
  warmUp(): Promise<void>;
  /** Starts a transient domain from the XML in a file; returns when QEMU runs guest code, or could. */
  create(file: string, paused?: '--paused'): Promise<void>;
  /**
   * Has libvirt keep a secret in memory, to be read back by nobody; `value` is base64 for Ceph, a password for iSCSI, and passes
   * through a file in `folder` that is gone afterwards (virsh(1), secret-set-value: an argument would be seen).
   */
  setSecret(secret: LibvirtSecret): Promise<void>;
  /** Writes the guest's memory to a file and ends QEMU. Throws COMMAND_FAILED; the guest then goes on. */
  save(file: string): Promise<void>;
  /** Makes a domain of such a file, the guest standing still. Throws COMMAND_FAILED; no domain is then there. */
  restore(file: string): Promise<void>;
  /** Plugs the cable of a NIC in or out; whether that was possible. */
  setLink(mac: string, link: 'up' | 'down'): Promise<boolean>;
  /** Of the QEMU that libvirt runs: `QEMU 10.0.8`. */
  qemuVersion(): Promise<string>;
  read(): Promise<LiveDomain>;
  /** As virsh prints it: `running (booted)`, or undefined when there is no such domain. */
  state(): Promise<string | undefined>;
  /** Whether libvirt knows of no such domain; not so where it cannot be asked. */
  isGone(): Promise<boolean>;
  /** Asks the guest; whether it listens is seen by events. False: there was nobody to ask. */
  shutdown(mode: ShutdownMode): Promise<boolean>;
  destroy(): Promise<void>;
  /** Lets a paused guest run on. */
  resume(): Promise<void>;
  /** Freezes and thaws every file system, which writes out all that is dirty. False: no agent, or it could not. */
  flush(timeoutMs: number): Promise<boolean>;
  /** A guest agent command, its `return`; undefined when it failed (QEMU, qga/qapi-schema.json). */
  agent(command: string, args?: object): Promise<unknown>;
  /** A monitor command for people; what it printed. */
  monitor(command: string): Promise<string>;
  /** A command of QMP, its `return` (QEMU, qapi/). COMMAND_FAILED with QEMU's own words. */
  qmp(command: string, args?: object): Promise<unknown>;
  /** Freezes every file system of the guest; whoever calls has seen to the thaw. False: no agent, or it could not. */
  freeze(timeoutMs: number): Promise<boolean>;
  /** virsh as it is called here, for a program that outlives this one. */
  readonly words: {
    readonly command: readonly string[];
    readonly domain: string;
    readonly env: Readonly<Record<string, string>>;
  };
  /** Every event of every domain, a line each, until it is killed. */
  events(): Promise<Child>;
}

/** QEMU, docs/interop/qmp-spec.rst, "Issuing Commands". */
const qmpAnswer = z.union([
  z.object({ error: z.object({ desc: z.string() }) }),
  z.looseObject({ return: z.unknown() }),
]);

export interface LibvirtSecret {
  readonly type: 'ceph' | 'iscsi';
  /** By which a domain names it. */
  readonly usage: string;
  readonly value: string;
  readonly folder: string;
}

export interface VirshOptions {
  readonly uri: string;
  readonly domain: string;
  readonly env: Readonly<Record<string, string>>;
  /** Waited for before each call: libvirt may be starting again. */
  readonly up?: (() => Promise<unknown>) | undefined;
}

/** As long as the longest stop may take: how much memory there is to write nobody knows here. */
const SAVE_MS = 24 * 60 * 60 * 1000;

export function makeVirsh(exec: Exec, spawn: Spawn, options: VirshOptions): Virsh {
  const { domain, env, up = async () => undefined } = options;
  const base = ['--quiet', '--connect', options.uri];
  const run = async (args: readonly string[], timeoutMs = 60_000) => {
    await up();
    return exec('virsh', [...base, ...args], { env, timeoutMs });
  };
  const attempt = (args: readonly string[], timeoutMs = 60_000) =>
    run(args, timeoutMs).then(
      ({ stdout }) => stdout,
      (error: unknown) => {
        if (error instanceof VirtainersError) return undefined;
        throw error;
      },
    );
  return {
    async warmUp() {
      await attempt(['domcapabilities']);
    },
    async create(file, ...paused) {
      const words = paused.filter((word) => word !== undefined);
      await run(['create', file, ...words], 120_000).catch((error: unknown) => {
        throw (error instanceof VirtainersError && diskInUse(error.message)) || error;
      });
    },
    async setSecret({ type, usage, value, folder }) {
      const uuid = randomUUID();
      const file = join(folder, `${uuid}.secret`);
      try {
        await writeFile(file, secretXml(uuid, type, usage), { mode: 0o600 });
        await run(['secret-define', file]);
        await writeFile(file, value);
        await run(['secret-set-value', uuid, '--file', file, ...(type === 'iscsi' ? ['--plain'] : [])]);
      } finally {
        await rm(file, { force: true });
      }
    },
    async save(file) {
      await run(['save', domain, file, '--image-format', 'sparse'], SAVE_MS);
    },
    async restore(file) {
      await run(['restore', file, '--paused'], SAVE_MS);
    },
    async setLink(mac, link) {
      return (await attempt(['domif-setlink', domain, mac, link], 10_000)) !== undefined;
    },
    async qemuVersion() {
      const { stdout } = await run(['version']);
      return /^Running hypervisor: (.+)$/m.exec(stdout)?.[1]?.trim() ?? 'unknown';
    },
    async read() {
      return parseLiveDomain((await run(['dumpxml', domain])).stdout);
    },
    async state() {
      return (await attempt(['domstate', '--reason', domain]))?.trim();
    },
    async isGone() {
      const names = await attempt(['list', '--all', '--name']);
      return names !== undefined && !names.split('\n').includes(domain);
    },
    async shutdown(mode) {
      return (await attempt(['shutdown', domain, '--mode', mode], 10_000)) !== undefined;
    },
    async destroy() {
      await attempt(['destroy', domain]);
    },
    async resume() {
      await run(['resume', domain]);
    },
    async flush(timeoutMs) {
      const frozen = await attempt(['domfsfreeze', domain], timeoutMs);
      const thawed = await attempt(['domfsthaw', domain], 10_000);
      return frozen !== undefined && thawed !== undefined;
    },
    async agent(command, args) {
      const request = JSON.stringify(args === undefined ? { execute: command } : { execute: command, arguments: args });
      const text = await attempt(['qemu-agent-command', '--timeout', '5', domain, request], 10_000);
      return text === undefined ? undefined : (JSON.parse(text) as { return: unknown }).return;
    },
    async monitor(command) {
      return (await run(['qemu-monitor-command', domain, '--hmp', command])).stdout.trim();
    },
    async qmp(command, args) {
      const request = args === undefined ? { execute: command } : { execute: command, arguments: args };
      const { stdout } = await run(['qemu-monitor-command', domain, JSON.stringify(request)]);
      const answer = qmpAnswer.parse(JSON.parse(stdout));
      if ('return' in answer) return answer.return;
      throw new QemuRefusal(`asking QEMU for ${command}: ${answer.error.desc}`);
    },
    freeze: async (timeoutMs) => (await attempt(['domfsfreeze', domain], timeoutMs)) !== undefined,
    words: { command: ['virsh', ...base], domain, env },
    async events() {
      await up();
      return spawn('virsh', [...base, 'event', '--all', '--loop'], { env, detached: true });
    },
  };
}

/** libvirt, "Secret XML format": `usage` is a disk's serial, which needs no escaping. */
function secretXml(uuid: string, type: LibvirtSecret['type'], usage: string): string {
  const element = type === 'ceph' ? 'name' : 'target';
  return `<secret ephemeral='yes' private='yes'><uuid>${uuid}</uuid><usage type='${type}'><${element}>${usage}</${element}></usage></secret>`;
}
