import { expect, test } from 'vitest';
import { chooseAccelerator } from './choose.ts';
import { joinGroup } from './group.ts';

const SAME = { host: 'amd64', guest: 'amd64' } as const;
const device = { openable: true, openableByQemu: true, modeText: '0660, owner 0:104' };

test('auto takes KVM only where code ran in it, and says why not', () => {
  expect(chooseAccelerator('auto', SAME, device, { usable: true, detail: 'a boot sector ran in 90 ms' }).kind).toBe(
    'kvm',
  );
  expect(chooseAccelerator('auto', SAME, device, { usable: false, detail: 'stuck' })).toEqual({
    kind: 'tcg',
    reason: '/dev/kvm is there but useless: stuck',
  });
  expect(chooseAccelerator('auto', SAME, undefined, undefined).reason).toContain('--device /dev/kvm');
  expect(chooseAccelerator('auto', SAME, { ...device, openableByQemu: false }, undefined).reason).toContain(
    '0660, owner 0:104',
  );
  expect(chooseAccelerator('auto', { ...SAME, guest: 'arm64' }, device, undefined).reason).toContain('for arm64');
  expect(chooseAccelerator('tcg', SAME, device, undefined)).toEqual({ kind: 'tcg', reason: 'asked for by ACCEL' });
});

test("V15: QEMU's user joins the group that owns the node, once, and no line of anyone else changes", () => {
  const before = 'root:x:0:\nkvm:x:104:alice\nqemu:x:107:\n';
  const after = 'root:x:0:\nkvm:x:104:alice,qemu\nqemu:x:107:\n';
  expect(joinGroup(before, 104, 'qemu')).toBe(after);
  expect(joinGroup(after, 104, 'qemu')).toBe(after);
  expect(joinGroup(before, 993, 'qemu')).toBe(`${before}device993:x:993:qemu\n`);
});
