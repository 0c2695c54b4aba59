import { VirtainersError } from '@virtainers/core';
import { loadCatalogue } from '../catalogue.ts';
import { SHELLS } from '../completion/shells.ts';
import type { Action } from '../context.ts';

export const action: Action = async (cli, [shell = '']) => {
  const render = SHELLS[shell];
  if (!render) {
    throw new VirtainersError('ARGUMENTS_BAD', `no completion script for ${JSON.stringify(shell)}`, {
      hint: `one of ${Object.keys(SHELLS).join(', ')}`,
    });
  }
  const names = (await loadCatalogue(cli)).flatMap(({ name, aliases }) => [name, ...aliases]);
  cli.print(render({ ...cli.table, catalogue: names }).trimEnd());
  return 0;
};
