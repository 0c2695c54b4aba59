import type { Command, NetworkMeans, PlannedCommand } from './mode.ts';

export function ip(...args: string[]): Command {
  return { file: 'ip', args };
}

/** A tap for QEMU's user, with checksums and segments left to whom they are cheapest for (vnet_hdr). */
export function tapCommand(tap: string, { uid, gid }: Pick<NetworkMeans, 'uid' | 'gid'>): PlannedCommand {
  const owner = ['user', String(uid), 'group', String(gid)];
  return {
    ...ip('tuntap', 'add', 'dev', tap, 'mode', 'tap', ...owner, 'vnet_hdr'),
    undo: ip('link', 'delete', tap),
  };
}

export type TableFamily = 'arp' | 'bridge' | 'ip' | 'ip6' | 'netdev';

/** A base chain, in nft's words (nft(8)). */
export interface Chain {
  readonly name: string;
  /** `hook input`, with a device where the hook is a device's. */
  readonly hook: string;
  readonly type?: 'nat';
  readonly priority?: string;
  readonly policy: 'accept' | 'drop';
  readonly rules: readonly string[];
}

export function nftTable(family: TableFamily, table: string, chains: readonly Chain[]): PlannedCommand {
  const lines = chains.flatMap(({ name, type = 'filter', hook, priority = 'filter', policy, rules }) => [
    `  chain ${name} {`,
    `    type ${type} ${hook} priority ${priority}; policy ${policy};`,
    ...rules.map((rule) => `    ${rule}`),
    '  }',
  ]);
  return {
    file: 'nft',
    args: ['-f', '-'],
    input: [`table ${family} ${table} {`, ...lines, '}', ''].join('\n'),
    undo: { file: 'nft', args: ['delete', 'table', family, table] },
  };
}

/** What a killed life may have left of commands that make things: their undos. */
export function undosOf(commands: readonly PlannedCommand[]): Command[] {
  return commands.flatMap(({ undo }) => undo ?? []);
}
