import { expect, test } from 'vitest';
import { memoryNeeds, unmetNeeds } from './memory-needs.ts';

const CPUINFO = 'processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu\n';

function qemu(kvm: boolean, mebibytes = 1024) {
  const answers: Record<string, unknown> = {
    'query-version': { qemu: { major: 10, minor: 0, micro: 13 }, package: 'Debian' },
    'query-kvm': { enabled: kvm, present: true },
    'query-memory-size-summary': { 'base-memory': mebibytes * 1024 ** 2 },
    'query-cpus-fast': [{}, {}],
  };
  return { qmp: async (command: string) => answers[command] };
}

test('an emulated guest does not depend on the CPU below it, one under KVM does', async () => {
  const emulated = await memoryNeeds(qemu(false), CPUINFO);
  expect(emulated).toEqual({ QEMU: '10.0.13', ACCEL: 'tcg', RAM: '1024 MiB', CPU: '2' });
  expect(await memoryNeeds(qemu(true), CPUINFO)).toMatchObject({
    ...{ ACCEL: 'kvm', 'the CPU': expect.stringMatching(/^Some CPU @ 2 GHz, features \w{12}$/) },
  });
});

test('what differs is named with both values', async () => {
  const kept = await memoryNeeds(qemu(false), CPUINFO);
  expect(unmetNeeds(kept, kept)).toEqual([]);
  expect(unmetNeeds(kept, await memoryNeeds(qemu(false, 2048), CPUINFO))).toEqual([
    'RAM: kept with 1024 MiB, now 2048 MiB',
  ]);
  expect(unmetNeeds(kept, await memoryNeeds(qemu(true), CPUINFO))).toEqual([
    'ACCEL: kept with tcg, now kvm',
    expect.stringMatching(/^the CPU: kept with none, now Some CPU @ 2 GHz, features \w{12}$/),
  ]);
  expect(unmetNeeds(undefined, kept)).toHaveLength(1);
});
