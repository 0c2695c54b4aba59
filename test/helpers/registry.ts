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
}

/** A registry of its own, empty; blobs can be deleted. */
export async function startRegistry(place: RegistryPlace = { listen: '127.0.0.1' }): Promise<Registry> {
  await requireTool('docker-registry');
  const folder = await tempFolder('registry');
  const port = place.port ?? (await freePort());
  const address = `${place.host ?? '127.0.0.1'}:${port}`;
  const config = join(folder, 'config.json');
  await writeFile(config, JSON.stringify(registryConfig(folder, `${place.listen}:${port}`)));
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
      async () => (await fetch(`http://${address}/v2/`)).ok || undefined,
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
