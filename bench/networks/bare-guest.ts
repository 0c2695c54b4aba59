import { RECOMMENDED } from '../../test/helpers/virtainer.ts';

const MAC = '52:54:00:00:00:02';

/** What anybody would type for a bridge with a tap. */
const SCRIPT = `
ip address flush dev eth0
ip link add br0 type bridge
ip tuntap add dev vm0 mode tap vnet_hdr
ip link set eth0 master br0
ip link set vm0 master br0 up
ip link set br0 up
exec "$@"
`;

/** A QEMU and a machine as libvirt makes them for us, as far as packets pass through them. */
const QEMU = [
  ...['qemu-system-x86_64', '-machine', 'q35,graphics=off,hpet=off', '-accel', 'tcg', '-cpu', 'max'],
  ...['-m', '256', '-smp', '1', '-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio'],
  ...['-drive', 'if=none,id=disk,file=/disk/disk.qcow2,format=qcow2,snapshot=on'],
  ...['-device', 'virtio-blk-pci,drive=disk,bootindex=1'],
  ...['-drive', 'if=none,id=seed,file=/tmp/cloud_init.iso,format=raw,readonly=on'],
  ...['-device', 'virtio-blk-pci,drive=seed', '-device', 'virtio-rng-pci'],
  ...['-device', 'pcie-root-port,id=root.1,chassis=1', '-netdev', 'tap,id=net,ifname=vm0,script=no,downscript=no'],
  ...['-device', `virtio-net-pci,netdev=net,bus=root.1,mac=${MAC},host_mtu=1500`],
];

/**
 * Words for the engine's `run`: the same guest and the same QEMU in the same image and a container like the others, by hand.
 * The guest asks the network for its address.
 */
export function bareGuest(name: string, image: string, options: readonly string[]): string[] {
  const container = ['run', '--detach', '--name', name, ...RECOMMENDED, ...options];
  return [...container, '--entrypoint', 'sh', image, '-euc', SCRIPT, 'bare', ...QEMU];
}
