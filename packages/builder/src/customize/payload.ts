import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compileTemplate } from '@virtainers/core';
import { type Segment, segmentsSize } from '../oci/segments.ts';
import { sortEntries, type TarEntry, tarSegments } from '../oci/tar.ts';
import type { Customization } from './wish.ts';

/** What the guest is handed: a tar that it reads from a port, and a seed that makes it do so. */
export interface GuestInputs {
  readonly payload: readonly Segment[];
  readonly userData: string;
  readonly metaData: string;
}

/** Where cloud-init of the finished image is told of another login user. */
const USER_CONFIG = '/etc/cloud/cloud.cfg.d/95_virtainers_user.cfg';

/** No host name: preserve_hostname keeps the image's own, and this one is all that is heard of it. */
const META_DATA = 'instance-id: virtainers-bake\nlocal-hostname: localhost\n';

/** `scripts`: folder of the programs that run in the guest. `env`: of the bake, for its proxies. */
export async function planGuestInputs(
  wish: Customization,
  scripts: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<GuestInputs> {
  const text = (name: string) => readFile(join(scripts, name), 'utf8');
  const program = async (path: string): Promise<TarEntry> => file(path, await text(path), 0o755);
  const entries = [
    await program('customize'),
    await program('clean'),
    ...wishEntries(wish),
    file('proxies', proxies(env)),
  ];
  const payload = await tarSegments(sortEntries(entries), 0);
  const userData = compileTemplate(await text('user-data.hbs'))({
    user: wish.user,
    cloudConfig: wish.cloudConfig === undefined ? undefined : base64Lines(wish.cloudConfig),
    payloadSize: segmentsSize(payload),
  });
  return { payload, userData, metaData: META_DATA };
}

function wishEntries({ packages, files, scripts, firstBoot, cloudConfig, user }: Customization): TarEntry[] {
  const placed = user === undefined ? files : [...files, userConfig(user)];
  const lines = placed.map(({ mode, owner, path }, index) => `${index} ${mode.toString(8)} ${owner} ${path}\n`);
  return [
    file('packages', packages.map((name) => `${name}\n`).join('')),
    file('files', lines.join('')),
    ...placed.map(({ content }, index) => file(`content/${index}`, content)),
    ...scripts.map(({ name, content }, index) => file(`run/${runName(index, name)}`, content, 0o755)),
    ...(firstBoot.length === 0 ? [] : [file('first-boot', firstBootScript(firstBoot))]),
    ...(cloudConfig === undefined ? [] : [file('cloud-config', '')]),
  ];
}

function userConfig(name: string) {
  const content = Buffer.from(`system_info:\n  default_user:\n    name: ${JSON.stringify(name)}\n`);
  return { path: USER_CONFIG, mode: 0o644, owner: 'root:root', content };
}

/** Their order is that of their names. */
function runName(index: number, name: string): string {
  return `${String(index).padStart(3, '0')}-${name.replace(/[^\w.-]/g, '_')}`;
}

function firstBootScript(commands: readonly string[]): string {
  return ['#!/bin/sh -e', ...commands, ''].join('\n');
}

const PROXIES = ['http_proxy', 'https_proxy', 'ftp_proxy', 'all_proxy', 'no_proxy'];

/** `name=value` lines in both spellings, because programs know one or the other. */
export function proxies(env: Readonly<Record<string, string | undefined>>): string {
  const lines = PROXIES.flatMap((name) => {
    const value = env[name] || env[name.toUpperCase()];
    return !value || /[\n\0]/.test(value) ? [] : [`${name}=${value}\n`, `${name.toUpperCase()}=${value}\n`];
  });
  return lines.join('');
}

function file(path: string, content: string | Segment, mode = 0o644): TarEntry {
  return { path, mode, content: [typeof content === 'string' ? Buffer.from(content) : content] };
}

/** RFC 2045, 6.8. */
function base64Lines(text: string): string {
  return (
    Buffer.from(text)
      .toString('base64')
      .match(/.{1,76}/g) ?? []
  ).join('\n');
}
