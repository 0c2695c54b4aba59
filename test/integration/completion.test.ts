import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { COMMANDS, GLOBAL_OPTIONS, GROUPS } from '../../packages/cli/src/commands/table.ts';
import { SHELLS } from '../../packages/cli/src/completion/shells.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

const catalogue = ['debian:12-packages', 'debian:13-packages'];
let script: string;

beforeAll(async () => {
  await requireTool('bash');
  const folder = await tempFolder('completion');
  script = join(folder, 'virtainers.bash');
  const input = { commands: COMMANDS, groups: GROUPS, globals: GLOBAL_OPTIONS, catalogue };
  await writeFile(script, SHELLS['bash']?.(input) ?? '');
  await writeFile(join(folder, 'disk.qcow2'), '');
});

/** What bash offers for a line, as readline would ask: the cursor at its end, words split at colons too. */
async function offers(line: string): Promise<string[]> {
  const program = `
    source "$1"
    cd "$(dirname "$1")"
    docker() {
      case $1 in ps) printf 'box\\nother\\n' ;; network) printf 'bridge\\nlab\\n' ;; esac
    }
    podman() { return 125; }
    compopt() { :; }
    COMP_LINE=$2 COMP_POINT=\${#2}
    _virtainers
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await exec('bash', ['--norc', '-uc', program, 'bash', script, line]);
  return stdout.split('\n').filter(Boolean);
}

test('bash accepts the script', async () => {
  await exec('bash', ['-n', script]);
});

test.each([
  ['virtainers b', ['bake']],
  ['virtainers --debug ca', ['catalog', 'cache']],
  ['virtainers bake --lo', ['--load', '--lock-dir']],
  ['virtainers bake --load p', ['podman']],
  ['virtainers bake debian:12-packages --load ', ['docker', 'podman']],
  ['virtainers ssh o', ['other']],
  ['virtainers completion z', ['zsh']],
  ['virtainers inspect di', ['disk.qcow2']],
  ['virtainers run box --memory ', []],
  ['virtainers run box --network l', ['lab']],
  ['virtainers net', ['network']],
  ['virtainers --debug network c', ['create']],
  ['virtainers network create lab --s', ['--subnet']],
  ['virtainers network create --engine p', ['podman']],
])('%s', async (line, words) => {
  expect(await offers(line)).toEqual(words);
});

test('what stands before a colon is not repeated: readline replaces the rest only', async () => {
  expect(await offers('virtainers run debian:1')).toEqual(['12-packages', '13-packages']);
  expect(await offers('virtainers run deb')).toEqual(catalogue);
});
