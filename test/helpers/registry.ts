import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Spawn } from '@virtainers/core';
import { freePort } from './ports.ts';
import { exec, requireTool, spawn, waitFor } from './process.ts';
import { tempFolder } from './temp-folder.ts';

export interface Registry {
  /** `127.0.0.1:PORT`, plain http. */
  readonly address: string;
  readonly port: number;
  /** Bytes of all files that it keeps. */
  size(): Promise<number>;
  stop(): Promise<void>;
}

/** Where a registry is to be, if not on loopback of this machine and on a free port. */
export interface RegistryPlace {
  readonly listen: '127.0.0.1' | '0.0.0.0';
  readonly port?: number;
  /** Starts it in another network namespace, where it answers at `host`. */
  readonly spawn?: Spawn;
  readonly host?: string;
  /** Nobody is let in but LOGIN. */
  readonly login?: true;
}

/** Who a registry with a login knows. */
export const LOGIN = { name: 'somebody', password: 'open sesame' } as const;
/** Of that password, by bcrypt (htpasswd -B). */
const HTPASSWD = `${LOGIN.name}:$2b$04$i4kspQhax5zpE7.bfjfyFOqNzF4wT/p2JiuQ57SOmUjeehHS8DNAK\n`;

/** A registry of its own, empty; blobs can be deleted. */
export async function startRegistry(place: RegistryPlace = { listen: '127.0.0.1' }): Promise<Registry> {
  await requireTool('docker-registry');
  const folder = await tempFolder('registry');
  const port = place.port ?? (await freePort());
  const address = `${place.host ?? '127.0.0.1'}:${port}`;
  const config = join(folder, 'config.json');
  await writeFile(join(folder, 'htpasswd'), HTPASSWD);
  const auth = place.login && { auth: { htpasswd: { realm: 'a registry', path: join(folder, 'htpasswd') } } };
  await writeFile(config, JSON.stringify({ ...registryConfig(folder, `${place.listen}:${port}`), ...auth }));
  const child = (place.spawn ?? spawn)('docker-registry', ['serve', config], { stdout: 'ignore', stderr: 'ignore' });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await child.exited;
  };
  const size = async () => {
    const { stdout } = await exec('find', [folder, '-type', 'f', '-printf', '%s\n']);
    return stdout.split('\n').reduce((sum, line) => sum + Number(line), 0);
  };
  try {
    await waitFor(
      `the registry at ${address}`,
      async () => (place.login ? [401] : [200]).includes((await fetch(`http://${address}/v2/`)).status) || undefined,
      20_000,
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { address, port, size, stop };
}

/** JSON is YAML; https://distribution.github.io/distribution/about/configuration/ */
function registryConfig(folder: string, address: string): object {
  return {
    version: '0.1',
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
    http: { addr: address },
  };
}
