import { createHash } from 'node:crypto';
import { compileTemplate, VirtainersError } from '@virtainers/core';
import { type GuestMount, mountOptions } from '../guest/mount.ts';
import type { GuestNic } from '../guest/nic.ts';
import type { SeedInputs } from './inputs.ts';
import { parseMetaData, type UserMetaData } from './meta-data.ts';
import { renderNetworkConfig } from './network-config.ts';
import { parsePublicKeys } from './public-keys.ts';

/** The texts of templates/cloud-init/*.hbs. */
interface SeedTemplates {
  readonly userData: string;
  readonly metaData: string;
  readonly vendorData: string;
  readonly networkConfig: string;
}

export interface SeedInput extends SeedInputs {
  /** PASSWORD. */
  readonly password: string | undefined;
  /** The random one that an earlier start of this data folder made. */
  readonly rememberedPassword: string | undefined;
  /** The guest's host name. It is part of the instance-id: it must not change from start to start. */
  readonly hostname: string;
  /** Of the data folder, for its life. */
  readonly volumeId: string;
  /** Name of the virtio port on which the guest says that cloud-init has ended. */
  readonly readyPort: string;
  /** The guest's NICs, where it has to be told; the user's own network-config wins. */
  readonly network: readonly GuestNic[] | undefined;
  /** Folders of the container. Not of the content: they are mounted at each boot. */
  readonly mounts: readonly GuestMount[];
  /** Makes a password. */
  random(): string;
  readonly templates: SeedTemplates;
}

/** What is attached to the guest. */
export type SeedPlan =
  | { readonly kind: 'iso'; readonly isoPath: string; readonly warnings: readonly string[] }
  | {
      readonly kind: 'files';
      /** In the ISO's root, NoCloud's names. */
      readonly files: readonly { readonly name: string; readonly content: Uint8Array }[];
      readonly instanceId: string;
      /** The one that the seed sets, given or random. */
      readonly password: string | undefined;
      /** A random one made just now: to be shown once, and remembered. */
      readonly generatedPassword: string | undefined;
      readonly warnings: readonly string[];
    };

/**
 * Plans the NoCloud seed (cloud-init, "NoCloud") from whatever the user brought, alone or together:
 * - an ISO is attached as it is, and nothing is made;
 * - user-data stays the user's bytes; keys then reach the guest through meta-data's `public-keys`, PASSWORD through vendor-data;
 * - meta-data gets what it lacks;
 * - without any key, user-data or PASSWORD a random password is made.
 * The instance-id follows from the content and the data folder, so that cloud-init applies a changed seed and only that.
 * Throws CONFIG_INVALID.
 */
export function planSeed(input: SeedInput): SeedPlan {
  if (input.isoPath !== undefined) return { kind: 'iso', isoPath: input.isoPath, warnings: unusedBeside(input) };
  const { keys, metaData } = readTexts(input);
  const open = keys.length > 0 || metaData?.hasKeys || input.userData !== undefined || input.password !== undefined;
  const random = open ? undefined : (input.rememberedPassword ?? input.random());
  const password = input.password ?? random;
  const instanceId = metaData?.instanceId ?? contentId(input, keys, random !== undefined);
  return {
    kind: 'files',
    files: render(input, { keys, metaData, password, instanceId }),
    instanceId,
    password,
    generatedPassword: random === input.rememberedPassword ? undefined : random,
    warnings: [],
  };
}

interface SeedFacts {
  readonly keys: readonly string[];
  readonly metaData: UserMetaData | undefined;
  readonly password: string | undefined;
  readonly instanceId: string;
}

function render(input: SeedInput, { keys, metaData, password, instanceId }: SeedFacts) {
  const { templates, hostname, readyPort } = input;
  const text = (name: string, content: string) => ({ name, content: new TextEncoder().encode(content) });
  const defaults = { instanceId, hostname, keys };
  const vendorPassword = input.userData === undefined ? undefined : password;
  const files = [
    text('meta-data', metaData?.complete(defaults) ?? compileTemplate(templates.metaData)(defaults)),
    input.userData === undefined
      ? text('user-data', compileTemplate(templates.userData)({ keys, password }))
      : { name: 'user-data', content: input.userData },
    text(
      'vendor-data',
      compileTemplate(templates.vendorData)({
        readyPort,
        password: part(templates, vendorPassword),
        mounts: input.mounts.map(mountWords),
      }),
    ),
  ];
  const network = input.networkConfig ?? (input.network && renderNetworkConfig(templates.networkConfig, input.network));
  return network === undefined ? files : [...files, text('network-config', network)];
}

/** As a script of ours calls its own function; a path in base64, so that no text of a person's is a shell's. */
function mountWords(mount: GuestMount) {
  const { tag, driver, folder } = mount;
  return { tag, driver, options: mountOptions(mount), folder: Buffer.from(folder).toString('base64') };
}

/** A cloud-config that sets the password, as a base64 part of a multipart message (RFC 2045, 6.8). */
function part(templates: SeedTemplates, password: string | undefined): string | undefined {
  if (password === undefined) return undefined;
  const config = compileTemplate(templates.userData)({ keys: [], password });
  return (
    Buffer.from(config)
      .toString('base64')
      .match(/.{1,76}/g) ?? []
  ).join('\n');
}

function readTexts(input: SeedInput): { keys: string[]; metaData: UserMetaData | undefined } {
  const problems: string[] = [];
  const keys = input.publicKeys === undefined ? [] : parsePublicKeys(input.publicKeys);
  if (typeof keys === 'string') problems.push(`the public key: ${keys}`);
  const metaData = input.metaData === undefined ? undefined : parseMetaData(input.metaData);
  if (typeof metaData === 'string') problems.push(`meta-data: ${metaData}`);
  if (typeof keys === 'string' || typeof metaData === 'string') {
    throw new VirtainersError('CONFIG_INVALID', `planning the seed for cloud-init:\n  ${problems.join('\n  ')}`, {
      hint: 'mend the files that are mounted at /tmp/id_rsa.pub and /tmp/meta-data',
    });
  }
  return { keys, metaData };
}

function unusedBeside(input: SeedInput): string[] {
  const others = {
    'the public key': input.publicKeys,
    'user-data': input.userData,
    'meta-data': input.metaData,
    'network-config': input.networkConfig,
    PASSWORD: input.password,
  };
  return Object.entries(others)
    .filter(([, value]) => value !== undefined)
    .map(([name]) => `${name} is not used: ${input.isoPath} is attached as it is`);
}

/** Each piece goes in with its name and length, so that no two seeds run together into one. */
function contentId(input: SeedInput, keys: readonly string[], random: boolean): string {
  const hash = createHash('sha256');
  const pieces: Record<string, string | Uint8Array | undefined> = {
    volume: input.volumeId,
    hostname: input.hostname,
    keys: keys.join('\n'),
    'user-data': input.userData,
    'meta-data': input.metaData,
    // The container's own is not of the content: it changes with each container, and is read at each boot.
    'network-config': input.networkConfig,
    password: random ? undefined : input.password,
    random: random ? 'yes' : undefined,
  };
  for (const [name, piece] of Object.entries(pieces)) {
    if (piece === undefined) continue;
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
    hash.update(`${name} ${bytes.length}\n`).update(bytes);
  }
  return `virtainers-${hash.digest('hex').slice(0, 24)}`;
}
