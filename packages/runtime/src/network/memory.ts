import { parseAddress, parsePrefix } from '@virtainers/core';
import { z } from 'zod';
import { ip } from './commands.ts';
import { isOfNic, isOurs, tableName } from './devices.ts';
import type { NicInput, PlannedCommand } from './mode.ts';
import { restoring, type Taken } from './restore.ts';
import type { Link, NetworkSnapshot } from './snapshot.ts';

/**
 * What an interface was before a takeover, kept in the network namespace itself: in a pod that outlives a container which
 * was killed, and nothing else there knows the addresses any more. nft keeps it, as comments of a chain that no packet
 * meets; one comment is of less than 128 bytes (linux/netfilter/nf_tables.h, NFT_USERDATA_MAXLEN; libnftnl, udata.h).
 */
const COMMENT_LENGTH = 120;

const SUFFIX = '_before';

/** Before all else of a plan. None in the host's namespace, which is not ours to write in, and which is not gone with us. */
export function remember(nic: NicInput, ipv6: boolean): PlannedCommand[] {
  const table = `${tableName(nic)}${SUFFIX}`;
  const text = written({ link: nic.link, snapshot: nic.snapshot, ipv6 });
  if (nic.means.hostNetwork || text === undefined) return [];
  const rules = (text.match(new RegExp(`.{1,${COMMENT_LENGTH}}`, 'g')) ?? []).map((part) => `return comment "${part}"`);
  return [
    {
      file: 'nft',
      args: ['-f', '-'],
      // One that is there already is replaced in the same breath.
      input: [`table ip ${table}`, `delete table ip ${table}`, `table ip ${table} {`, '  chain link {']
        .concat(rules.map((rule) => `    ${rule}`))
        .concat('  }', '}', '')
        .join('\n'),
      undo: { file: 'nft', args: ['delete', 'table', 'ip', table] },
    },
  ];
}

/** JSON with another quote, nft's own strings having no way to write theirs. Undefined: there is something odd in a name. */
function written({ link: { name, mac, addresses }, snapshot, ipv6 }: Taken): string | undefined {
  const routes = snapshot.routes.filter(({ device }) => device === name);
  const text = JSON.stringify({ ipv6, link: { name, mac, addresses }, routes });
  return /^[ !#-&(-[\]-~"]*$/.test(text) ? text.replaceAll('"', "'") : undefined;
}

const address = z.string().refine((text) => parseAddress(text) !== undefined);

/** The namespace may be shared with others: nothing that is no address, name or number gets into a command. */
const remembered = z.object({
  ipv6: z.boolean(),
  link: z.object({
    name: z.string().regex(/^\w[\w.-]{0,14}$/),
    mac: z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
    addresses: z.array(
      z.object({ family: z.literal([4, 6]), address, prefix: z.int().min(0).max(128), dynamic: z.boolean() }),
    ),
  }),
  routes: z.array(
    z
      .object({
        family: z.literal([4, 6]),
        destination: z.string().refine((text) => text === 'default' || parsePrefix(text) !== undefined),
        gateway: address.optional(),
        device: z.string().regex(/^\w[\w.-]{0,14}$/),
        metric: z.int().min(0),
        protocol: z.string().regex(/^\w+$/),
      })
      .transform(({ gateway, ...route }) => ({ ...route, gateway })),
  ),
});

/** An interface that a life which was killed has left, and how it comes back. */
export interface Recovery {
  readonly link: string;
  /** In order, failures ignored. Until the last one the next start would begin again. */
  readonly commands: readonly PlannedCommand[];
}

/** Where this is false for every interface, nothing was taken over: the usual start has nothing to look for. */
export function isBare({ name, kind, addresses }: Link): boolean {
  return addresses.length === 0 && kind !== 'bridge' && !isOurs(name);
}

/** From what `nft list ruleset` prints. */
export function recoveries(ruleset: string, { links }: Pick<NetworkSnapshot, 'links'>): Recovery[] {
  const tables = [...ruleset.matchAll(/^table (\w+) virtainers(\d+)(\w*) \{\n(.*?)^\}/gms)].map(
    ([, family = '', index = '', suffix = '', body = '']) => ({ family, index: Number(index), suffix, body }),
  );
  return tables.flatMap(({ family, index, suffix, body }): Recovery[] => {
    const taken = family === 'ip' && suffix === SUFFIX ? read(body) : undefined;
    const link = links.find(({ name }) => name === taken?.link.name);
    if (!taken || !link || !isBare(link)) return [];
    const nameOf = (suffixed: string) => `virtainers${index}${suffixed}`;
    const fence = tables.filter((table) => table.index === index && table.suffix !== SUFFIX);
    const devices = links.filter(({ name }) => isOfNic(name, index));
    return [
      {
        link: link.name,
        commands: [
          ...fence.map((table) => nft('delete', 'table', table.family, nameOf(table.suffix))),
          {
            ...ip('-force', '-batch', '-'),
            input: [...devices.map(({ name }) => `link delete ${name}\n`), restoring(taken)].join(''),
          },
          nft('delete', 'table', family, nameOf(SUFFIX)),
        ],
      },
    ];
  });
}

function nft(...args: string[]): PlannedCommand {
  return { file: 'nft', args };
}

function read(body: string): Taken | undefined {
  const text = [...body.matchAll(/^\s*return comment "([^"]*)"$/gm)].map(([, part]) => part).join('');
  try {
    const { ipv6, link, routes } = remembered.parse(JSON.parse(text.replaceAll("'", '"')));
    return { ipv6, link, snapshot: { routes } };
  } catch {
    // Of a version that wrote it in another way, or of somebody else.
    return undefined;
  }
}
