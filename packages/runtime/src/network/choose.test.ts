import { expect, test } from 'vitest';
import { askFor, everyMeans, planFor, recorded, requestFor } from '../testing/networks.ts';
import { chooseNetwork } from './choose.ts';
import { MODE_NAMES, type NetworkAsk, type NetworkMeans } from './mode.ts';

const AUTO: NetworkAsk = { kind: 'auto' };
const bridge = recorded('docker-bridge');
const two = recorded('docker-two-networks');

const choose = (situation: Partial<Parameters<typeof requestFor>[0]>) =>
  chooseNetwork(requestFor({ snapshot: bridge, ask: AUTO, ...situation }));

const noPasst = { passtMissing: 'passt cannot make a user namespace here' };

test.for<[Partial<NetworkMeans>, string, string]>([
  [{}, 'nat', 'the best'],
  [{ netAdmin: false }, 'passt', '--cap-add NET_ADMIN'],
  [{ tun: false }, 'passt', '--device /dev/net/tun'],
  [{ root: false }, 'passt', 'without --user'],
  [{ ipv4Forwarding: false }, 'passt', '--sysctl net.ipv4.ip_forward=1'],
  [{ hostNetwork: true }, 'passt', '--net=host'],
  [{ netAdmin: false, ...noPasst }, 'user', 'for passt: passt cannot make a user namespace here'],
  [{ hostNetwork: true, ...noPasst }, 'user', '--net=host'],
])('auto with %o is %s', ([means, mode, reason]) => {
  const choice = choose({ means });
  expect(choice.mode).toBe(mode);
  expect(choice.reason).toContain(reason);
});

test('what was asked for and cannot be is an error that says who asked and what to add', () => {
  expect(() => choose({ ask: askFor('nat'), means: { netAdmin: false, tun: false } })).toThrow(
    expect.objectContaining({
      code: 'NETWORK_UNAVAILABLE',
      message: expect.stringContaining('NETWORK_MODE asks for network mode nat'),
      hint: 'add --cap-add NET_ADMIN --device /dev/net/tun',
    }),
  );
  expect(choose({ ask: askFor('none'), means: { netAdmin: false } })).toMatchObject({ mode: 'none', nics: [] });
});

test("B3: in the host's network namespace no mode touches an interface that is not named", () => {
  const means = { hostNetwork: true };
  for (const mode of MODE_NAMES.filter((name) => ['nat', 'bridge', 'macvtap'].includes(name))) {
    expect(() => choose({ ask: askFor(mode), means })).toThrow(/cannot work in this container/);
  }
  const named: NetworkAsk = { kind: 'each', modes: [{ link: 'eth0', mode: 'nat' }] };
  expect(choose({ ask: named, means })).toMatchObject({ mode: 'eth0=nat' });
  expect(choose({ ask: askFor('nat'), means, options: { attach: ['eth0'] } })).toMatchObject({ mode: 'nat' });
});

test.for(['passt', 'user'] as const)(
  "%s in the host's network namespace: one NIC, unless interfaces are named",
  (mode) => {
    const means = { hostNetwork: true };
    const names = (situation: object) =>
      choose({ snapshot: recorded('several-default-routes'), ask: askFor(mode), means, ...situation }).nics.map(
        ({ link }) => link.name,
      );
    expect(names({})).toEqual(['eth1']);
    expect(names({ ask: AUTO, means: { ...means, passtMissing: mode === 'user' ? 'no' : undefined } })).toEqual([
      'eth1',
    ]);
    expect(names({ options: { attach: ['eth0', 'eth1'] } })).toEqual(['eth0', 'eth1']);
    expect(names({ means: {} })).toEqual(['eth0', 'eth1']);
  },
);

test('one mode a NIC: those NICs and no others, in the order asked for', () => {
  const ask: NetworkAsk = {
    kind: 'each',
    modes: [
      { link: 'eth1', mode: 'user' },
      { link: 'eth0', mode: 'nat' },
    ],
  };
  const choice = choose({ snapshot: two, ask });
  expect(choice).toMatchObject({ mode: 'eth1=user eth0=nat', reason: 'asked for by NETWORK_MODE' });
  expect(planFor({ snapshot: two, ask }).nics.map(({ link, mode }) => [link, mode])).toEqual([
    ['eth1', 'user'],
    ['eth0', 'nat'],
  ]);
  expect(() => choose({ ask })).toThrow(/NETWORK_MODE names eth1, which is not there/);
  expect(() => choose({ snapshot: two, ask, means: { tun: false } })).toThrow(/NETWORK_MODE asks for eth0=nat/);
});

test('BBVA/kvm: AUTO_ATTACH=no without a name is a guest without a NIC, whatever the container allows', () => {
  for (const ask of [AUTO, askFor('macvtap'), askFor('nat')]) {
    const choice = choose({ ask, options: { attach: [] }, means: { ...everyMeans, root: false } });
    expect(choice).toEqual({ mode: 'none', reason: expect.stringContaining('AUTO_ATTACH=no'), nics: [] });
  }
});

test('a container without a network: its guest is reached from inside', () => {
  expect(planFor({ snapshot: recorded('docker-none'), ask: AUTO }).nics).toMatchObject([
    { mode: 'nat', link: 'none', addresses: [], guestAddress: '192.168.100.100' },
  ]);
});
