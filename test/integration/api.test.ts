import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { inspectImage } from '../../packages/builder/src/inspect.ts';
import { bakeDisks } from '../fixtures/api-example.ts';
import { repository } from '../helpers/folders.ts';
import { exec } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeRawDisk, publishRoot } from './oci-samples.ts';

afterEach(() => vi.unstubAllEnvs());

test('the example of docs/api.md is the one that is compiled and run here', async () => {
  const [page, example] = await Promise.all(
    ['docs/api.md', 'test/fixtures/api-example.ts'].map((path) => readFile(join(repository, path), 'utf8')),
  );
  expect(page).toContain(`\`\`\`ts\n${example}\`\`\``);
});

test('it bakes', async () => {
  const folder = await tempFolder('api');
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
  const [disk, output] = [join(folder, 'mine.raw'), join(folder, 'mine.tar')];
  await makeRawDisk(disk);
  const said = vi.spyOn(console, 'error').mockReturnValue();
  const [digest] = await bakeDisks([disk], await publishRoot(folder), output);
  expect(said.mock.calls.join('\n')).toMatch(/^all: archive: /m);
  said.mockRestore();
  expect(await inspectImage({ exec, env: {} }, output)).toMatchObject({ digest, name: 'mine' });
});
