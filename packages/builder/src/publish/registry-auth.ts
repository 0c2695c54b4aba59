import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseJson } from '@virtainers/core';
import { z } from 'zod';

const authFile = z.object({ auths: z.record(z.string(), z.object({ auth: z.string().optional() })).default({}) });

/**
 * `user:password` in base64, as skopeo and Docker keep it for a registry (containers-auth.json(5)); undefined where none is
 * known, or a helper program keeps it.
 */
export async function basicCredentials(
  env: Readonly<Record<string, string | undefined>>,
  host: string,
): Promise<string | undefined> {
  for (const path of authFiles(env)) {
    const text = await readFile(path, 'utf8').catch(() => '{}');
    const { auths } = authFile.safeParse(parseJson(text)).data ?? { auths: {} };
    const found = namesOf(host).flatMap((name) => auths[name]?.auth ?? [])[0];
    if (found !== undefined) return found;
  }
  return undefined;
}

function authFiles(env: Readonly<Record<string, string | undefined>>): string[] {
  const { REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, XDG_CONFIG_HOME, DOCKER_CONFIG, HOME = '' } = env;
  if (REGISTRY_AUTH_FILE) return [REGISTRY_AUTH_FILE];
  return [
    ...(XDG_RUNTIME_DIR ? [join(XDG_RUNTIME_DIR, 'containers/auth.json')] : []),
    join(XDG_CONFIG_HOME || join(HOME, '.config'), 'containers/auth.json'),
    join(DOCKER_CONFIG || join(HOME, '.docker'), 'config.json'),
  ];
}

/** Docker Hub's credentials go by a name of their own. */
function namesOf(host: string): string[] {
  return host === 'registry-1.docker.io' ? ['docker.io', 'https://index.docker.io/v1/'] : [host, `https://${host}`];
}
