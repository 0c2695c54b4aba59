import { mkdir, stat } from 'node:fs/promises';
import { isAccessible, quote, VirtainersError } from '@virtainers/core';
import type { HostContext } from './context.ts';
import { type EngineClient, makeClient } from './engine/client.ts';
import type { EngineName } from './engine/engine.ts';
import { findEngines } from './engine/find.ts';
import {
  type CatalogueEntry,
  candidates,
  catalogueName,
  type FoundImage,
  findImage,
  imageMissing,
  isReference,
  notVirtainer,
} from './image-name.ts';
import { findPublicKey } from './key.ts';
import { findRunDisks, requireReadOnly } from './run-disks.ts';
import { checkNetworks, checkNetworkWords, orderNotes } from './run-network.ts';
import { freeName, planRun, type RunSettings, volumeName } from './run-plan.ts';
import { checkShares } from './run-shares.ts';

/** A run as a person asks for it: what to run, where, under which name. */
export interface RunRequest extends RunSettings {
  /** A catalogue name, a local name or a registry's reference. */
  readonly image: string;
  readonly name?: string | undefined;
  readonly engine?: EngineName | undefined;
  readonly sshKey?: string | undefined;
  /** As a person writes them: `FILE[:NAME][:ro]`. */
  readonly disks: readonly string[];
  readonly catalogue: readonly CatalogueEntry[];
}

export interface RunPlan {
  readonly client: EngineClient;
  readonly name: string;
  /** Without the program; most often one, `run`. */
  readonly commands: readonly (readonly string[])[];
  /** What a person should know before it starts, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * Finds engine, image, key, name and devices, and says what would be run. Starts nothing. `toPrint`: an image that is not
 * there is no error, nor is it pulled.
 */
export async function prepareRun(context: HostContext, request: RunRequest, toPrint: boolean): Promise<RunPlan> {
  const clients = (await findEngines(context, request.engine)).map((engine) => makeClient(context, engine));
  await checkWords(request);
  const disks = await findRunDisks(request.disks);
  await checkShares(request.shares, request.env);
  checkNetworkWords(request);
  const { client, reference } = await locate(context, clients, request, toPrint);
  if (disks.some(({ kind }) => kind === 'network') && request.env.some((entry) => /^DISKS(=|$)/.test(entry))) {
    throw new VirtainersError(
      'ARGUMENTS_BAD',
      'disks on the network are named by --disk and by the setting DISKS: use one of them',
    );
  }
  requireReadOnly(disks, request.privileged || client.info.rootless);
  if (!toPrint) await checkNetworks(client, request);
  const publicKey = await findPublicKey(context.home, request.sshKey);
  const name = request.name ?? freeName(reference, await client.containerNames());
  const local = client.info.kernel === context.kernel;
  const devices = local ? await existing(['/dev/net/tun', '/dev/kvm']) : [];
  const commands = planRun(request, { engine: client, reference, name, publicKey, disks, devices });
  const volume = request.data === undefined && (await client.volumeExists(volumeName(name)));
  return { client, name, commands, notes: notes({ publicKey, local, request, volume, name, client }) };
}

/** Carries a plan out. Gives back the container's id. */
export async function startRun(plan: RunPlan, data: string | undefined): Promise<string> {
  // Made by the person, it is theirs; made by the engine, it would be root's.
  if (data !== undefined) await mkdir(data, { recursive: true });
  return plan.client.run(plan.commands);
}

/** The plan as lines for a shell. */
export function printRun({ client, commands }: RunPlan): string {
  return commands.map((args) => [client.dialect.program, ...args].map(quote).join(' ')).join(' &&\n');
}

async function locate(
  context: HostContext,
  clients: readonly EngineClient[],
  request: RunRequest,
  toPrint: boolean,
): Promise<Pick<FoundImage, 'client' | 'reference'>> {
  const found = await findImage(clients, request.image, request.catalogue);
  if (found) return found;
  const [client] = clients as [EngineClient, ...EngineClient[]];
  if (!isReference(request.image)) {
    const error = imageMissing(client, request.image, request.catalogue);
    if (!toPrint || catalogueName(request.image, request.catalogue) === undefined) throw error;
    context.log.warn(`${error.message}; ${error.hint}`);
  }
  if (toPrint) return { client, reference: candidates(client, request.image, request.catalogue)[0] ?? request.image };
  if ((await client.image(request.image)) === undefined) {
    context.log.info(`pulling ${request.image} with ${client.dialect.name}`);
    await client.pull(request.image);
  }
  const pulled = await findImage([client], request.image, request.catalogue);
  if (!pulled) throw notVirtainer(request.image);
  return pulled;
}

async function checkWords({ image, userData, rootDisk, data }: RunRequest): Promise<void> {
  // Engines would take it for an option of theirs.
  if (!/^[a-zA-Z0-9]/.test(image))
    throw new VirtainersError('ARGUMENTS_BAD', `${JSON.stringify(image)} names no image`);
  // They make a folder where a mounted file is missing, and the guest starts without it.
  for (const path of [userData, rootDisk]) {
    if (path === undefined || (await stat(path).catch(() => undefined))?.isFile()) continue;
    throw new VirtainersError('ARGUMENTS_BAD', `reading ${path}: no such file`);
  }
  const folder = data === undefined ? undefined : await stat(data).catch(() => undefined);
  if (folder && !folder.isDirectory()) throw new VirtainersError('ARGUMENTS_BAD', `${data} is not a folder`);
}

async function existing(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(paths.map((path) => isAccessible(path)));
  return paths.filter((_, index) => found[index]);
}

interface NoteFacts {
  readonly publicKey: string | undefined;
  readonly local: boolean;
  readonly request: RunRequest;
  readonly volume: boolean;
  readonly name: string;
  readonly client: EngineClient;
}

function notes({ publicKey, local, request, volume, name, client }: NoteFacts): string[] {
  const { program } = client.dialect;
  const key = 'no SSH key found in ~/.ssh';
  return [
    ...(publicKey || request.userData
      ? []
      : [`${key}: the guest prints a one-time password (${program} logs ${name})`]),
    ...(publicKey || !request.userData ? [] : [`${key}: whoever logs in comes from ${request.userData}`]),
    ...(local
      ? []
      : [`${program} runs containers on another machine: no device is handed over; --privileged gives all`]),
    ...(volume
      ? [`the volume ${volumeName(name)} exists already: its disk is used (${program} volume rm starts afresh)`]
      : []),
    ...orderNotes(client, request.networks, name),
  ];
}
