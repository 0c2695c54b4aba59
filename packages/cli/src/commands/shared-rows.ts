import type { ArgumentRow, OptionRow } from './rows.ts';

export const ENGINES = ['docker', 'podman'] as const;

export const engine: OptionRow = {
  flags: '--engine <engine>',
  description: 'docker or podman; otherwise the first that answers and has what is asked for',
  complete: ENGINES,
};
export const json: OptionRow = { flags: '--json', description: 'print the result as JSON, and nothing else' };
export const cacheDir: OptionRow = {
  flags: '--cache-dir <folder>',
  description: 'where bakes are kept; otherwise virtainers/ in $XDG_CACHE_HOME or ~/.cache',
  complete: 'folder',
};
export const insecure: OptionRow = {
  flags: '--insecure',
  description: 'speak plain http with the registry that the command names, or trust any certificate',
};
export const container: ArgumentRow = {
  name: '<container>',
  description: "a container's name or id",
  complete: 'container',
};

export const machine: ArgumentRow = {
  name: '<machine>',
  description: 'a container, or a data folder that no machine uses; of a running one its disk as it is now',
  complete: 'container',
};

export const base: OptionRow = {
  flags: '--base <image>',
  description:
    'the image that it was made from: a reference, an archive or an OCI layout; otherwise it is looked for under the name that it was run by, then in the cache',
};
