import type { Log } from '@virtainers/core';
import { expect, test } from 'vitest';
import type { Virsh } from '../domain/virsh.ts';
import { startDomain } from './start-domain.ts';

const log: Log = { info: () => undefined, warn: () => undefined, debug: () => undefined };

test('a start that fails before the guest runs forgets no snapshot that is to be resumed', async () => {
  const remembered: unknown[] = [];
  const virsh = { create: () => Promise.reject(new Error('no such device')) } as unknown as Virsh;
  const remember = async (facts: unknown) => void remembered.push(facts);
  const disk = { overlay: '/mounted/local_image.qcow2', resume: 'monday', memories: {}, remember };
  await expect(startDomain(virsh, '/x.xml', disk, '/mounted', log)).rejects.toThrow('no such device');
  expect(remembered).toEqual([]);
});
