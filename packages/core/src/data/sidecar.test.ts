import { expect, test } from 'vitest';
import { macAt, newSidecar, parseSidecar } from './sidecar.ts';

const base = {
  sha256: `sha256:${'a'.repeat(64)}` as const,
  size: 1,
  virtualSize: 512,
  format: 'raw' as const,
  path: '/image',
};

test('what is written is read, fields unknown here included', () => {
  const sidecar = { ...newSidecar([base], 'example/box:1'), later: { x: 1 } };
  expect(parseSidecar(JSON.stringify(sidecar), 'x')).toEqual(sidecar);
});

test('addresses are locally administered, differ, and stay the same beyond the recorded ones', () => {
  const sidecar = newSidecar([base], undefined);
  const macs = Array.from({ length: 40 }, (_, index) => macAt(sidecar, index));
  expect(new Set(macs).size).toBe(40);
  expect(macs.every((mac) => /^52:54:00(:[0-9a-f]{2}){3}$/.test(mac))).toBe(true);
  expect(macs.slice(0, 8)).toEqual(sidecar.macs);
  expect(macAt(sidecar, 39)).toBe(macs[39]);
});

test.for([
  ['{', /not JSON/],
  ['null', /reading x/],
  ['{"formatVersion":3}', /made by a newer virtainers \(format version 3; this one knows 2\)/],
  [JSON.stringify(newSidecar([{ ...base, sha256: 'md5:1' as 'sha256:1' }], undefined)), /sha256/],
] as const)('a sidecar that cannot be understood is refused: %s', ([text, message]) => {
  expect(() => parseSidecar(text, 'x')).toThrow(expect.objectContaining({ code: 'DISK_REFUSED' }));
  expect(() => parseSidecar(text, 'x')).toThrow(message);
});

test('one of version 1 is read as what it means now', () => {
  const { chain: _, ...rest } = newSidecar([base], 'example/box:1');
  const old = (value: unknown) => parseSidecar(JSON.stringify({ ...rest, formatVersion: 1, base: value }), 'x');
  expect(old(base)).toEqual({ ...rest, chain: [base] });
  expect(old(null).chain).toEqual([]);
  expect(() => old(undefined)).toThrow(expect.objectContaining({ code: 'DISK_REFUSED' }));
});
