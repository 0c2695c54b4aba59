import { expect, test } from 'vitest';
import { parseArguments } from './arguments.ts';

test.for([
  [[], { verb: 'run', qemuArgs: [] }],
  [['-device', 'virtio-keyboard', '-snapshot'], { verb: 'run', qemuArgs: ['-device', 'virtio-keyboard', '-snapshot'] }],
  [['xml', '-vnc', ':0'], { verb: 'xml', qemuArgs: ['-vnc', ':0'] }],
  [['check'], { verb: 'check', qemuArgs: [] }],
  [['bash', '-c', 'virsh list'], { verb: 'shell', shell: 'bash', args: ['-c', 'virsh list'] }],
  [['shell'], { verb: 'shell', shell: 'bash', args: [] }],
  [['sh'], { verb: 'shell', shell: 'sh', args: [] }],
  [['health'], { verb: 'health' }],
  [['status'], { verb: 'status', follow: false }],
  [['status', '--follow'], { verb: 'status', follow: true }],
  [['connect'], { verb: 'connect', args: [] }],
  [['copy'], { verb: 'copy', args: [] }],
  [['snapshot', 'rm', 'x'], { verb: 'snapshot', args: ['rm', 'x'] }],
  [['--help'], { verb: 'help' }],
  [['--version'], { verb: 'version' }],
] as const)('%j', ([words, expected]) => {
  expect(parseArguments(words)).toEqual(expected);
});

test.for([
  [['-m', '2048'], /-m: set RAM$/m],
  [['--smp', '2'], /--smp: set CPU$/m],
  [['-name', 'x'], /set VM_NAME/],
  [['-drive', 'file=x'], /mount the disk at \/image/],
  [['-netdev', 'user,id=n'], /NETWORK_MODE/],
  [['-enable-kvm'], /ACCEL=kvm/],
  [['start'], /start: neither a command nor an option of QEMU/],
  [['-snapshot', 'a', 'b'], /b: neither/],
  [['health', 'now'], /now: nothing may follow/],
] as const)('%j is refused', ([words, message]) => {
  expect(() => parseArguments(words)).toThrow(expect.objectContaining({ code: 'ARGUMENTS_BAD', exitCode: 64 }));
  expect(() => parseArguments(words)).toThrow(message);
});

test('every refused word is named at once', () => {
  expect(() => parseArguments(['-m', '1', '-smp', '2'])).toThrow(/-m: .*\n.*-smp: /);
});
