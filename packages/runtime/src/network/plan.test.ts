import { VirtainersError } from '@virtainers/core';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { askFor, planFor, RECORDED, recorded } from '../testing/networks.ts';
import { type Command, MODE_NAMES, type ModeName, type NetworkPlan, type NicPlan } from './mode.ts';

/** What the people of that network would set. */
const SETTINGS: Readonly<Record<string, Parameters<typeof planFor>[0]['options']>> = {
  'host-with-bridge': { bridge: 'br0' },
};

/** Everything that a plan says, for a person to read; a change of any mode in any network shows in the files. */
test.for(RECORDED)('what each mode plans in %s', async (name) => {
  const text = MODE_NAMES.map((mode) => `# ${mode}\n\n${outcome(name, mode)}`).join('\n');
  await expect(text).toMatchFileSnapshot(`../../../../test/fixtures/networks/plans/${name}.txt`);
});

function outcome(name: string, mode: ModeName): string {
  const situation = {
    snapshot: recorded(name),
    ask: askFor(mode),
    options: SETTINGS[name] ?? {},
    means: { hostNetwork: name.startsWith('host-') },
  };
  try {
    return written(planFor(situation));
  } catch (error) {
    if (!(error instanceof VirtainersError)) throw error;
    return `${error.code}: ${error.message}: ${error.hint}\n`;
  }
}

function written({ nics, losses }: NetworkPlan): string {
  return [...nics.map(writtenNic), ...losses.map((loss) => `lost: ${loss}\n`)].join('\n') || 'nothing\n';
}

function writtenNic(nic: NicPlan): string {
  const undos = nic.commands.flatMap(({ undo }) => (undo ? [undo] : [])).reverse();
  return [
    ...nic.commands.flatMap((command) => [`$ ${line(command)}`, ...inputOf(command)]),
    ...nic.daemons.flatMap(({ file, args }) => [`$ ${file}`, ...args.map((word) => `    ${word}`)]),
    ...undos.flatMap((command) => [`undo: ${line(command)}`, ...inputOf(command)]),
    ...nic.leftovers.map((command) => `leftover: ${line(command)}`),
    stringify({
      interface: nic.interface,
      addresses: nic.addresses,
      guestAddress: nic.guestAddress,
      guest: nic.guest,
      forwards: nic.forwards,
      losses: nic.losses,
    }),
  ].join('\n');
}

function line({ file, args }: Command): string {
  return [file, ...args].join(' ');
}

function inputOf({ input }: { readonly input?: string }): string[] {
  return input === undefined
    ? []
    : input
        .trimEnd()
        .split('\n')
        .map((text) => `    ${text}`);
}
