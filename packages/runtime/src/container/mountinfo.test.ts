import { expect, test } from 'vitest';
import { isMountedReadonly, isPersistent } from './mountinfo.ts';

const text = `720 650 0:58 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/x
721 720 0:61 / /proc rw,nosuid - proc proc rw
722 720 8:1 /var/lib/docker/volumes/v/_data /mounted rw,relatime - ext4 /dev/sda1 rw
723 720 0:70 / /scratch rw - tmpfs tmpfs rw
724 722 0:71 / /mounted/fast rw shared:7 - tmpfs tmpfs rw
725 720 8:1 /x /with\\040space rw - ext4 /dev/sda1 rw
`;

test.for([
  ['/mounted', true],
  ['/mounted/deeper', true],
  ['/mounted/fast/x', false],
  ['/mounted2', false],
  ['/scratch', false],
  ['/data', false],
  ['/with space', true],
] as const)('%s', ([path, persistent]) => {
  expect(isPersistent(text, path)).toBe(persistent);
});

test('read-only is a path whose last mount is, or its file system', () => {
  const line = (options: string, point = '/') =>
    `1 0 0:1 / ${point} ${options},relatime - overlay overlay rw,lowerdir=x`;
  expect(isMountedReadonly(line('ro'), '/')).toBe(true);
  expect(isMountedReadonly([line('ro'), line('rw')].join('\n'), '/')).toBe(false);
  expect(isMountedReadonly([line('rw'), line('ro', '/sys')].join('\n'), '/')).toBe(false);
  const shared = [line('rw'), line('ro', '/shares/a\\040b'), line('rw', '/shares')].join('\n');
  expect(isMountedReadonly(shared, '/shares/a b')).toBe(true);
  expect(isMountedReadonly(shared, '/shares/a')).toBe(false);
  expect(isMountedReadonly('1 0 8:1 / / rw - iso9660 /dev/sr0 ro', '/x')).toBe(true);
});
