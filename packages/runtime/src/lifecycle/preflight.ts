import { VirtainersError } from '@virtainers/core';
import type { Config } from '../config/parse.ts';
import type { ContainerFacts } from '../container/facts.ts';
import type { Driver } from '../daemon/driver.ts';
import type { NetworkMeans } from '../network/mode.ts';
import type { Deps } from './deps.ts';
import { type GuestShares, HAS_9P, needsShareFeature } from './shares.ts';

/** libvirt's system driver changes user, takes capabilities from QEMU and hands files over. */
const ROOT_NEEDS = ['CHOWN', 'SETUID', 'SETGID', 'SETPCAP', 'KILL', 'FOWNER'];

/** What no mode can do without. Throws CAPABILITY_MISSING. */
export function requireContainer(facts: ContainerFacts): void {
  if (facts.uid !== 0) return;
  if (facts.readonlyRoot) {
    throw new VirtainersError(
      'CAPABILITY_MISSING',
      "the container's root is read-only, and libvirt's system driver, which root gets, keeps its state in /etc, /run and /var",
      { hint: 'add --user 107:107 --tmpfs /tmp, or run without --read-only' },
    );
  }
  const missing = ROOT_NEEDS.filter((name) => !facts.capabilities.has(name));
  if (missing.length === 0) return;
  throw new VirtainersError(
    'CAPABILITY_MISSING',
    `root in this container lacks ${missing.map((name) => `CAP_${name}`).join(', ')}, without which libvirt cannot run QEMU as its own user`,
    { hint: 'add --user 107:107, which needs no capability, or do not drop them' },
  );
}

type Wants = Pick<Deps, 'machine' | 'features'> & {
  readonly config: Pick<Config, 'firmware' | 'disks' | 'os'>;
  readonly facts: Pick<ContainerFacts, 'arch'>;
};

/** Throws FEATURE_MISSING, with every feature that the guest cannot do without and the image was baked without. */
export function requireFeatures({ machine, config, facts, features }: Wants, shares: GuestShares): void {
  const { kind, secureBoot, tpm } = config.firmware;
  const uris = config.disks.map(({ uri }) => uri).join(', ');
  const wishes: { feature: string; because: string | false; or?: string }[] = [
    { feature: 'aarch64', because: machine.arch !== facts.arch && `a guest of ${machine.arch}` },
    { feature: 'uefi', because: machine.arch === 'amd64' && kind === 'uefi' && (secureBoot ? 'secure boot' : 'UEFI') },
    { feature: 'uefi', because: tpm && 'a TPM' },
    // Its package has QEMU's drivers for all disks on a network.
    { feature: 'rbd', because: config.disks.length > 0 && `a disk on the network (${uris})` },
    { feature: 'share', because: needsShareFeature(shares, config.os.shortId), or: HAS_9P },
  ];
  const missing = wishes.filter(({ feature, because }) => because && !features.has(feature));
  if (missing.length === 0) return;
  const names = [...new Set(missing.map(({ feature }) => feature))];
  const list = missing.map(({ feature, because }) => `${because} needs the feature ${feature}`).join('; ');
  throw new VirtainersError('FEATURE_MISSING', `${list}, and this image was baked without it`, {
    hint: [
      `bake it again: virtainers bake ${machine.name} ${names.map((name) => `--feature ${name}`).join(' ')}`,
      ...missing.flatMap(({ or }) => or ?? []),
    ].join('; or, '),
  });
}

export function networkMeans(facts: ContainerFacts, { uid, gid }: Pick<Driver, 'uid' | 'gid'>): NetworkMeans {
  return {
    root: facts.uid === 0,
    netAdmin: facts.capabilities.has('NET_ADMIN'),
    tun: facts.tun?.openable ?? false,
    hostNetwork: facts.hostNetwork,
    ipv4Forwarding: facts.ipv4Forwarding,
    ipv6Forwarding: facts.ipv6Forwarding && facts.ipv6OnNewLinks,
    ipv6Add: [
      ...(facts.ipv6Forwarding ? [] : ['--sysctl net.ipv6.conf.all.forwarding=1']),
      ...(facts.ipv6OnNewLinks ? [] : ['--sysctl net.ipv6.conf.default.disable_ipv6=0']),
    ].join(' '),
    macvtapMissing: undefined,
    passtMissing: undefined,
    vhostNet: facts.vhostNet?.openable ?? false,
    uid,
    gid,
    unprivilegedPortStart: facts.unprivilegedPortStart,
    mayBindLow: facts.capabilities.has('NET_BIND_SERVICE'),
  };
}
