import { expect, test } from 'vitest';
import { isInRange, parsePorts } from './sockets.ts';

const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B00007F:A3F5 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41414 1 0000000000000000 100
   1: 0200D60A:0016 0100D60A:C1B2 01 00000000:00000000 00:00000000 00000000     0        0 41415 1 0000000000000000 100
`;
const tcp6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000
`;

test('ports that somebody listens on, not those of connections', () => {
  expect(parsePorts(tcp, '0A')).toEqual([41_973]);
  expect(parsePorts(tcp6, '0A')).toEqual([22]);
  expect(parsePorts('', '0A')).toEqual([]);
});

test.for([
  ['0\t2147483647', true],
  ['107 107', true],
  ['1\t0', false],
  ['65534 65534', false],
  ['', false],
] as const)('ping_group_range %j', ([range, allowed]) => {
  expect(isInRange(107, range)).toBe(allowed);
});
