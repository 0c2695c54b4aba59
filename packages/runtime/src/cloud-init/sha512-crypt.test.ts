import { expect, test } from 'vitest';
import { sha512Crypt } from './sha512-crypt.ts';

const LONG = 'a long password of more than sixty-four bytes, so that digests are repeated within it: äöü';

// What `openssl passwd -6 -salt SALT PASSWORD` says.
test.each([
  ['x', 'ab', '$6$ab$jnZj29NS/hK2GaouP6AGMIBwD6owZFRejcn9QRdlwSjZaVr.fR9dH2TXrKL/PaacUXwtGfI.4O9zxvy2k6fbE1'],
  [
    'Hello world!',
    'saltstring',
    '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
  ],
  [
    LONG,
    '0123456789abcdef',
    '$6$0123456789abcdef$dPC1pUHLBIcqjTFSf3pFy7OKhcAwMZfVPmMYeQR.MwALVvxLnSSqtB.UBR0siAjQiB4s74hBr423u4PmDPMvj/',
  ],
])('%s', (password, salt, expected) => {
  expect(sha512Crypt(password, salt)).toBe(expected);
});

test('a salt is cut at 16 characters, as crypt(3) cuts it', () => {
  expect(sha512Crypt('x', '0123456789abcdefgh')).toBe(sha512Crypt('x', '0123456789abcdef'));
});
