import type { Architecture } from '@virtainers/core';
import { type Fixture, type Kit, otherSum, sha256, sha512, type Vendor } from './kit.ts';

type Image = { url: string; disk: Buffer };
type Part = Pick<Fixture, 'files' | 'redirects' | 'archive'> & { image: Image };

/** Names that stay; each image has a sum of its own (15 with one space, 16 with two) and that sum a signature. */
export function openSuse(folder: string, stem: string, spaces: string, ports = folder): Vendor {
  return parts({ amd64: 'x86_64', arm64: 'aarch64' }, async (kit, arch, word) => {
    const url = `https://download.opensuse.org/${arch === 'arm64' ? ports : folder}/${stem}.${word}-Cloud.qcow2`;
    const mirror = url.replace('https://download.opensuse.org', 'https://ftp.gwdg.de/pub/opensuse');
    const disk = await kit.disk(url);
    const sums = Buffer.from(`${sha256(disk)}${spaces}${stem}.${word}-Cloud.qcow2\n`);
    const files = { [`${url}.sha256`]: sums, [`${url}.sha256.asc`]: await kit.detach(sums), [mirror]: disk };
    return { image: { url, disk }, files, redirects: { [url]: mirror } };
  });
}

/** A bare SHA-512 for every image, and a detached signature over the image itself. */
export function alpine(release: string, point: number, prefix: string, firmware: Record<Architecture, string>): Vendor {
  return parts({ amd64: 'x86_64', arm64: 'aarch64' }, async (kit, arch, word) => {
    const folder = `https://dl-cdn.alpinelinux.org/alpine/v${release}/releases/cloud/`;
    const name = (version: number) =>
      `${prefix}alpine-${release}.${version}-${word}-${firmware[arch]}cloudinit-r0.qcow2`;
    const disk = await kit.disk(name(point));
    const others = [name(point - 1), name(point).replace('cloudinit', 'tiny'), name(point).replace('-r0', '-metal-r0')];
    const files = {
      ...Object.fromEntries(others.map((other) => [folder + other, Buffer.from(other)])),
      [folder + name(point)]: disk,
      [`${folder + name(point)}.sha512`]: Buffer.from(`${sha512(disk)}\n`),
      [`${folder + name(point)}.asc`]: await kit.detach(disk),
    };
    return { image: { url: folder + name(point), disk }, files };
  });
}

/** A binary signature of the sums. */
export const archlinux: Vendor = parts({ amd64: 'x86_64' }, async (kit) => {
  const name = 'Arch-Linux-x86_64-cloudimg.qcow2';
  const url = `https://geo.mirror.pkgbuild.com/images/latest/${name}`;
  const disk = await kit.disk(name);
  const sums = Buffer.from(`${sha256(disk)}  ${name}\n`);
  const files = {
    [url]: disk,
    [`${url}.sig`]: await kit.detach(disk, false),
    [`${url}.SHA256`]: sums,
    [`${url}.SHA256.sig`]: await kit.detach(sums, false),
  };
  return { image: { url, disk }, files };
});

/** Packed images, whose sums in BSD's form are of the packed file; no signature beside them. */
export function freebsd(version: string): Vendor {
  return parts({ amd64: 'amd64', arm64: 'arm64-aarch64' }, async (kit, arch, word) => {
    const place = arch === 'arm64' ? 'aarch64' : 'amd64';
    const folder = `${FREEBSD}VM-IMAGES/${version}-RELEASE/${place}/Latest/`;
    const name = (system: string) => `FreeBSD-${version}-RELEASE-${word}-BASIC-CLOUDINIT-${system}.qcow2.xz`;
    const disk = await kit.pack('xz', await kit.disk(name('ufs')));
    const lines = [
      `SHA512 (${name('zfs')}) = ${otherSum('zfs').repeat(2)}`,
      `SHA512 (${name('ufs')}) = ${sha512(disk)}`,
    ];
    const files = { [folder + name('ufs')]: disk, [`${folder}CHECKSUM.SHA512`]: Buffer.from(`${lines.join('\n')}\n`) };
    const archive = Object.entries(files).map(([url, content]) => [url.replace(FREEBSD, FREEBSD_ARCHIVE), content]);
    return { image: { url: folder + name('ufs'), disk }, files, archive: Object.fromEntries(archive) };
  });
}

const FREEBSD = 'https://download.freebsd.org/releases/';
const FREEBSD_ARCHIVE = 'http://ftp-archive.freebsd.org/pub/FreeBSD-Archive/old-releases/';

/** Weekly; the sum is signed within itself. */
export const gentoo: Vendor = parts({ amd64: 'amd64', arm64: 'arm64' }, async (kit, _arch, word) => {
  const folder = `https://distfiles.gentoo.org/releases/${word}/autobuilds/current-di-${word}-cloudinit/`;
  const name = (stamp: string) => `di-${word}-cloudinit-${stamp}.qcow2`;
  const disk = await kit.disk(name('20261004T164559Z'));
  const url = folder + name('20261004T164559Z');
  const sums = `# SHA256 HASH\n${sha256(disk)}  ${name('20261004T164559Z')}\n`;
  const files = {
    [url]: disk,
    [`${url}.sha256`]: await kit.clear(sums),
    [`${url}.asc`]: await kit.detach(disk),
    [folder + name('20260927T164559Z')]: Buffer.from('older'),
    [`${folder}di-${word}-console-20261004T164559Z.qcow2`]: Buffer.from('without cloud-init'),
  };
  return { image: { url, disk }, files };
});

/** A release on GitHub, which leads to its storage; MD5 sums are all that it has. */
export const cirros: Vendor = parts({ amd64: 'x86_64' }, async (kit) => {
  const name = 'cirros-0.6.3-x86_64-disk.img';
  const url = `https://github.com/cirros-dev/cirros/releases/download/0.6.3/${name}`;
  const storage = 'https://release-assets.githubusercontent.com/github-production-release-asset/5022563/e61f8b0f';
  const disk = await kit.disk(name);
  const archive = { [`https://download.cirros-cloud.net/0.6.3/${name}`]: disk };
  return { image: { url, disk }, files: { [storage]: disk }, redirects: { [url]: storage }, archive };
});

/** `words`: the architectures that the vendor has, and what it calls them. */
export function parts(
  words: Partial<Record<Architecture, string>>,
  make: (kit: Kit, arch: Architecture, word: string) => Promise<Part>,
): Vendor {
  return async (kit) => {
    const fixture = { images: {} as Record<string, Image>, files: {}, redirects: {}, archive: {} };
    for (const [arch, word] of Object.entries(words) as [Architecture, string][]) {
      const { image, files, redirects, archive } = await make(kit, arch, word);
      fixture.images[arch] = image;
      Object.assign(fixture.files, files);
      Object.assign(fixture.redirects, redirects);
      Object.assign(fixture.archive, archive);
    }
    return fixture;
  };
}
