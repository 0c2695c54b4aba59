import { importData } from '@virtainers/host';
import type { Action } from '../context.ts';

export const action: Action = async (cli, [file = '', folder = '']) => {
  await importData(cli, file, folder);
  cli.log.info(`${folder}: run it with the image that it was made from: virtainers run IMAGE --data ${folder}`);
  return 0;
};
