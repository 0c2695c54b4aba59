import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { requireTool, spawn, waitFor } from './process.ts';
import { tempFolder } from './temp-folder.ts';

export interface Registry {
  /** `127.0.0.1:PORT`, plain http. */
  readonly address: string;
  stop(): Promise<void>;
}

/** A registry of its own on loopback, empty; blobs can be deleted. */
export async function startRegistry(): Promise<Registry> {
  await requireTool('docker-registry');
  const folder = await tempFolder('registry');
  const address = `127.0.0.1:${await freePort()}`;
  const config = join(folder, 'config.json');
  await writeFile(config, JSON.stringify(registryConfig(folder, address)));
  const child = spawn('docker-registry', ['serve', config], { stdout: 'ignore', stderr: 'ignore' });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await child.exited;
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
  return { address, stop };
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
