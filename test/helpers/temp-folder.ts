import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const temporary: string[] = [];

afterAll(async () => {
  for (const path of temporary) await rm(path, { recursive: true, force: true });
});

/** A folder that is removed when the test file ends. */
export async function tempFolder(label: string): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), `virtainers-test-${label}-`));
  temporary.push(path);
  return path;
}
