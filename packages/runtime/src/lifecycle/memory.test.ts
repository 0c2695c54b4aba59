import { expect, test } from 'vitest';
import { cpuOf } from './memory.ts';

const INTEL = 'model name\t: Xeon A\nflags\t\t: fpu avx\n';

test('KVM shows this CPU, whose features may come in any order; an emulated one is always the same', () => {
  expect(cpuOf('kvm', 'amd64', INTEL)).toMatch(/^Xeon A, features [0-9a-f]{12}$/);
  expect(cpuOf('kvm', 'amd64', INTEL.replace('fpu avx', 'avx fpu'))).toBe(cpuOf('kvm', 'amd64', INTEL));
  expect(cpuOf('kvm', 'amd64', INTEL.replace(' avx', ''))).not.toBe(cpuOf('kvm', 'amd64', INTEL));
  expect(cpuOf('kvm', 'amd64', INTEL.replace('Xeon A', 'Xeon B'))).not.toBe(cpuOf('kvm', 'amd64', INTEL));
  expect(cpuOf('tcg', 'amd64', INTEL)).toBe('emulated amd64');
});
