import type { CommandRow } from './rows.ts';
import { cacheDir, json } from './shared-rows.ts';

/** What bakes keep, seen and freed. */
export const CACHE_COMMANDS: readonly CommandRow[] = [
  {
    name: 'cache ls',
    summary: 'list what bakes keep: how large it is, when it was last used, what it is of',
    arguments: [],
    options: [cacheDir, json],
    examples: [{ command: 'virtainers cache ls', meaning: 'disks, runtime roots, downloads and packages' }],
    load: () => import('./cache-ls.ts'),
  },
  {
    name: 'cache prune',
    summary: 'remove what was not used for 30 days; the next bake fetches or makes it again',
    arguments: [],
    options: [
      { flags: '--older-than <time>', description: 'what was not used for so long, such as 12h, 90d or 8w' },
      { flags: '--all', description: 'everything that no bake is using' },
      { flags: '--dry-run', description: 'only say what would be removed' },
      cacheDir,
      json,
    ],
    examples: [
      { command: 'virtainers cache prune', meaning: 'free what nobody has used for 30 days' },
      { command: 'virtainers cache prune --all --dry-run', meaning: 'how much there is to be freed' },
    ],
    load: () => import('./cache-prune.ts'),
  },
  {
    name: 'cache path',
    summary: 'print the folder in which bakes are kept',
    arguments: [],
    options: [cacheDir],
    examples: [{ command: 'virtainers cache path', meaning: 'for scripts: du -sh "$(virtainers cache path)"' }],
    load: () => import('./cache-path.ts'),
  },
];
