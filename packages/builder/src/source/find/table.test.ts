import { expect, test } from 'vitest';
import { findIn, findSchema, type How, indexOf } from './table.ts';

const A = '28680fe5b371a5a82ebf43a31926e086a168e59949d03969c5093e7071f90b7f';

test('a fixed name needs no index', () => {
  const how: How = { kind: 'fixed', file: 'disk.qcow2' };
  expect(indexOf(how)).toBeUndefined();
  expect(findIn('', how)).toEqual({ path: 'disk.qcow2', sums: {}, words: {} });
});

const APACHE = `<html><head><title>Index of /images</title></head><body><pre>
<a href="?C=N;O=D">Name</a> <a href="?C=M;O=A">Last modified</a><hr>
<a href="/pub/">Parent Directory</a>
<a href="Rocky-9-Base-9.9-20260525.0.x86_64.qcow2">Rocky-9-Base-9.9-2026..&gt;</a> 2026-05-25 10:00 600M
<a href="Rocky-9-Base-9.10-20261101.0.x86_64.qcow2">Rocky-9-Base-9.10-202..&gt;</a> 2026-11-01 10:00 600M
<a href="Rocky-9-Base-9.10-20261101.0.x86_64.qcow2.CHECKSUM">Rocky..&gt;</a>
<a href="old/">old/</a></pre></body></html>`;

const ROCKY: How = { kind: 'listing', match: 'Rocky-9-Base-[0-9.]+-[0-9.]+\\.x86_64\\.qcow2' };

test('a listing as Apache writes it', () => {
  expect(indexOf(ROCKY)).toBe('');
  expect(findIn(APACHE, ROCKY)?.path).toBe('Rocky-9-Base-9.10-20261101.0.x86_64.qcow2');
});

test.each([
  ['nginx', '<a href="x-1.img">x-1.img</a>  01-Nov-2026 10:00  12\r\n'],
  ['a dot in front', '<a href="./x-1.img">x</a>'],
  ['single quotes, other attributes', "<A class=f HREF='x-1.img' title=x>x</A>"],
  ['percent signs', '<a href="x%2D1.img">x</a>'],
])('a listing as %s writes it', (_server, html) => {
  expect(findIn(html, { kind: 'listing', match: 'x-[0-9]\\.img' })?.path).toBe('x-1.img');
});

test.each([
  ['out of the folder', '<a href="../x-1.img">x</a>'],
  ['to another server', '<a href="https://evil.example/x-1.img">x</a>'],
  ['out by percent signs', '<a href="..%2Fx-1.img">x</a>'],
  ['a query', '<a href="x-1.img?y=x-1.img">x</a>'],
  ['broken percent signs', '<a href="%E0%A4%A">x</a>'],
  ['no link at all', 'x-1.img'],
])('a listing that leads %s has no such file', (_where, html) => {
  expect(findIn(html, { kind: 'listing', match: '.*x-1\\.img.*' })).toBeUndefined();
});

test('a file of sums is its own index, and names are relative to it', () => {
  const text = `${A}  x-1.img\n${A}  x-2.img\n${A}  x-2.img.sig\n`;
  expect(findIn(text, { kind: 'sums', file: 'SUMS', match: 'x-[0-9]\\.img' })?.path).toBe('x-2.img');
  expect(findIn(text, { kind: 'sums', file: 'sub/SUMS', match: 'x-[0-9]\\.img' })?.path).toBe('sub/x-2.img');
  expect(findIn(text, { kind: 'sums', file: 'SUMS', match: 'y' })).toBeUndefined();
});

const STREAMS = JSON.stringify({
  content_id: 'com.ubuntu.cloud:released:download',
  datatype: 'image-downloads',
  products: {
    'com.ubuntu.cloud:server:24.04:amd64': {
      arch: 'amd64',
      release: 'noble',
      versions: {
        '20260705': { items: { 'disk1.img': { ftype: 'disk1.img', path: 'old.img', sha256: A, size: 1 } } },
        '20260720': { items: { 'disk1.img': { ftype: 'disk1.img', path: 'new.img', sha256: A, size: 7 }, lxd: {} } },
        // Being published: its disk is not there yet.
        '20260801': { items: { manifest: { path: 'new.manifest' } } },
      },
    },
    'com.ubuntu.cloud:server:18.04:amd64': {
      versions: { '20230607': { items: { 'uefi1.img': { path: 'uefi.img', sha256: A } } } },
    },
  },
});

function ubuntu(version: string): How {
  const product = `com.ubuntu.cloud:server:${version}:amd64`;
  return { kind: 'simplestreams', index: 'streams.json', product, items: ['disk1.img', 'uefi1.img'] };
}

test('simplestreams: the newest version that has the disk', () => {
  expect(indexOf(ubuntu('24.04'))).toBe('streams.json');
  expect(findIn(STREAMS, ubuntu('24.04'))).toEqual({
    path: 'new.img',
    sums: { sha256: A },
    size: 7,
    words: { version: '20260720' },
  });
  expect(findIn(STREAMS, ubuntu('18.04'))?.path).toBe('uefi.img');
  expect(findIn(STREAMS, ubuntu('26.04'))).toBeUndefined();
});

const FEDORA = JSON.stringify([
  entry('43', 'x86_64', 'releases/43/Fedora-Cloud-Base-Generic-43-1.6.x86_64.qcow2'),
  entry('43', 'x86_64', 'releases/43/Fedora-Cloud-Base-UEFI-UKI-43-1.6.x86_64.qcow2'),
  entry('43', 'aarch64', 'releases/43/Fedora-Cloud-Base-Generic-43-1.6.aarch64.qcow2'),
  entry('43 Beta', 'x86_64', 'releases/test/43_Beta/Fedora-Cloud-Base-Generic-43-9.9.x86_64.qcow2'),
  { ...entry('42', 'x86_64', 'releases/42/Fedora-Cloud-Base-Generic-42-1.1.x86_64.qcow2'), sha256: 'no', size: 'x' },
]);

function entry(version: string, arch: string, path: string) {
  const link = `https://download.fedoraproject.org/pub/fedora/linux/${path}`;
  return { version, arch, link, variant: 'Cloud', subvariant: 'Cloud_Base', sha256: A, size: '583729152' };
}

function fedora(version: string): How {
  const match = `Fedora-Cloud-Base-Generic-${version}-(?<tag>[0-9.]+)\\.x86_64\\.qcow2`;
  return { kind: 'fedora-releases', index: 'releases.json', version, arch: 'x86_64', match };
}

test('Fedora: the release, not its beta, of this architecture', () => {
  const found = findIn(FEDORA, fedora('43'));
  expect(found).toMatchObject({ sums: { sha256: A }, size: 583729152, words: { tag: '1.6' } });
  expect(found?.path).toMatch(/^https:.*\/releases\/43\/Fedora-Cloud-Base-Generic-43-1\.6\.x86_64\.qcow2$/);
  expect(findIn(FEDORA, fedora('29'))).toBeUndefined();
});

test('Fedora: a sum or a size that is none is left out', () => {
  expect(findIn(FEDORA, fedora('42'))).toMatchObject({ sums: { sha256: undefined }, size: undefined });
});

const DEBIAN: How = { kind: 'debian-sidecar', index: 'trixie/latest/x.json' };

function debian(digest: string): string {
  const upload = (format: string) => ({
    kind: 'Upload',
    data: { ref: `trixie/20250814-2204/debian-13-genericcloud-amd64-20250814-2204.${format}` },
    metadata: {
      labels: { 'upload.cloud.debian.org/image-format': format },
      annotations: { 'cloud.debian.org/digest': digest },
    },
  });
  return JSON.stringify({ kind: 'List', items: [{ kind: 'Build', data: {} }, upload('raw'), upload('qcow2')] });
}

const BASE64 = '12EiyHyUDRq5M09DB8mMAdxC8LSaIM3fJ41ZuS00q2PQWsH0Df/aPS0y44Hwl3Bu7mzL95pZa/ssuz2DxjWuNQ';

test.each(['', '=='])('Debian: where the qcow2 lies, and its sum in hex; padding "%s"', (padding) => {
  const found = findIn(debian(`sha512:${BASE64}${padding}`), DEBIAN);
  expect(found?.path).toBe('trixie/20250814-2204/debian-13-genericcloud-amd64-20250814-2204.qcow2');
  expect(found?.sums.sha512).toBe(Buffer.from(BASE64, 'base64').toString('hex'));
  expect(found?.sums.sha512).toHaveLength(128);
});

test.each([`sha256:${BASE64}`, 'sha512:short', BASE64])('Debian: %s is no sum that can be used', (digest) => {
  expect(findIn(debian(digest), DEBIAN)).toBeUndefined();
});

test('Oracle: the KVM image of the template', () => {
  const how: How = { kind: 'oracle-template', index: 'ol9.json' };
  const text = JSON.stringify({ base_url: '/templates/OL9/', kvm: { image: 'OL9U8.qcow2', sha256: A.toUpperCase() } });
  expect(findIn(text, how)).toEqual({ path: '/templates/OL9/OL9U8.qcow2', sums: { sha256: A }, words: {} });
});

test('Fedora CoreOS: the packed image of QEMU, where the stream has one', () => {
  const how: How = { kind: 'coreos-stream', index: 'stable.json', arch: 'x86_64' };
  const disk = { location: 'https://builds.example/x.qcow2.xz', signature: 'x.sig', sha256: A };
  const qemu = { release: '44', formats: { 'qcow2.xz': { disk } } };
  const text = JSON.stringify({
    architectures: { x86_64: { artifacts: { aws: {}, qemu } }, s390x: { artifacts: {} } },
  });
  expect(findIn(text, how)).toEqual({ path: disk.location, sums: { sha256: A }, words: {} });
  expect(findIn(text, { ...how, arch: 's390x' })).toBeUndefined();
  expect(findIn(text, { ...how, arch: 'aarch64' })).toBeUndefined();
});

const COREOS: How = { kind: 'coreos-stream', index: 'x', arch: 'x86_64' };
const JSONS: How[] = [COREOS, fedora('43'), ubuntu('24.04'), DEBIAN, { kind: 'oracle-template', index: 'x' }];

test.each(JSONS)('$kind: what is no such index is told from one that lacks the file', (how) => {
  for (const text of ['', '<html>', '{}', '[]', 'null', '{"products":7}', '[{"version":1}]', '{"items":[1]}']) {
    let found: unknown;
    try {
      found = findIn(text, how);
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
    }
    expect(found).toBeUndefined();
  }
});

test('a way that nobody knows, and fields of another, are refused with their names', () => {
  expect(findSchema.safeParse({ kind: 'guess' }).error?.issues[0]?.path).toEqual(['kind']);
  expect(findSchema.safeParse({ kind: 'fixed', file: 'x', match: 'y' }).error?.issues[0]).toMatchObject({
    code: 'unrecognized_keys',
  });
});
