import type { Architecture } from '@virtainers/core';
import { bsdLine, type Fixture, otherSum, sha256, type Vendor } from './kit.ts';

const WORDS = { amd64: 'x86_64', arm64: 'aarch64' } as const;
type Image = { url: string; disk: Buffer };

/** One folder for each architecture; its CHECKSUM is the index, grows long, and is not signed. */
export function centosStream(release: number): Vendor {
  return each(async (kit, _arch, word) => {
    const folder = `https://cloud.centos.org/centos/${release}-stream/${word}/images/`;
    const stem = `CentOS-Stream-GenericCloud-${release}`;
    const name = `${stem}-20260720.0.${word}.qcow2`;
    const disk = await kit.disk(name);
    const others = [`CentOS-Stream-ec2-${release}-20260720.0.${word}.raw.xz`, `${stem}-20241118.0.${word}.qcow2`];
    const uefi = `CentOS-Stream-GenericCloud-x86_64-${release}-20260801.0.${word}.qcow2`;
    const lines = [...others, uefi].map((other) => bsdLine(other, Buffer.from(other)));
    const sums = [...lines, bsdLine(name, disk), bsdLine(`${stem}-latest.${word}.qcow2`, disk)].join('');
    return { image: { url: folder + name, disk }, files: { [`${folder}CHECKSUM`]: Buffer.from(sums) } };
  });
}

/** A folder that does not change any more: the catalogue knows the sums. */
export const centos7: Vendor = async (kit) => {
  const folder = 'https://cloud.centos.org/centos/7/images/CentOS-7-';
  const image = async (name: string) => ({ url: `${folder}${name}.qcow2`, disk: await kit.disk(name) });
  const images = { amd64: await image('x86_64-GenericCloud-2211'), arm64: await image('aarch64-GenericCloud-2009') };
  return { images, files: Object.fromEntries(Object.values(images).map(({ url, disk }) => [url, disk])) };
};

/** CHECKSUM in coreutils' form, with a detached signature. */
export function almalinux(release: number, build: string): Vendor {
  return each(async (kit, _arch, word) => {
    const folder = `https://repo.almalinux.org/almalinux/${release}/cloud/${word}/images/`;
    const name = `AlmaLinux-${release}-GenericCloud-${build}.${word}.qcow2`;
    const disk = await kit.disk(name);
    const others = ['GenericCloud-ext4', 'OpenNebula'].map((kind) => name.replace('GenericCloud', kind));
    const lines = others.map((other) => `${otherSum(other)}  ${other}\n`);
    const latest = `AlmaLinux-${release}-GenericCloud-latest.${word}.qcow2`;
    const sums = Buffer.from([...lines, ...[name, latest].map((one) => `${sha256(disk)}  ${one}\n`)].join(''));
    const files = { [`${folder}CHECKSUM`]: sums, [`${folder}CHECKSUM.asc`]: await kit.detach(sums) };
    return { image: { url: folder + name, disk }, files };
  });
}

/** A CHECKSUM and its signature for every file. */
export function rocky(release: number, build: string): Vendor {
  return each(async (kit, _arch, word) => {
    const folder = `https://dl.rockylinux.org/pub/rocky/${release}/images/${word}/`;
    const name = `Rocky-${release}-GenericCloud-Base-${build}.${word}.qcow2`;
    const disk = await kit.disk(name);
    const sums = Buffer.from(bsdLine(name, disk).repeat(2));
    const others = [
      `Rocky-${release}-GenericCloud-LVM-${build}.${word}.qcow2`,
      `Rocky-${release}-GenericCloud-Base.latest.${word}.qcow2`,
    ];
    const files = {
      ...Object.fromEntries(others.map((other) => [folder + other, Buffer.from(other)])),
      [`${folder + name}.CHECKSUM`]: sums,
      [`${folder + name}.CHECKSUM.asc`]: await kit.detach(sums),
    };
    return { image: { url: folder + name, disk }, files };
  });
}

/** A JSON template that names the newest image, and its sum. */
export function oracle(release: number, update: number): Vendor {
  return each(async (kit, arch, word) => {
    const base = `/templates/OracleLinux/OL${release}/u${update}/${word}`;
    const name = `OL${release}U${update}_${word}-kvm${arch === 'arm64' ? '-cloud' : ''}-b293.qcow2`;
    const disk = await kit.disk(name);
    const template = `ol${release}${arch === 'arm64' ? '_aarch64-cloud' : ''}-template.json`;
    const json = { id: `ol${release}`, base_url: base, kvm: { image: name, sha256: sha256(disk) }, ova: {} };
    const files = { [`https://yum.oracle.com/templates/OracleLinux/${template}`]: Buffer.from(JSON.stringify(json)) };
    return { image: { url: `https://yum.oracle.com${base}/${name}`, disk }, files };
  });
}

const AMAZON = '2023.12.20260817.0';

/** `latest/` leads to the folder of a version, which has unsigned sums. */
export const amazonlinux: Vendor = async (kit) => {
  const root = 'https://cdn.amazonlinux.com/al2023/os-images/';
  const images: Record<string, Image> = {};
  const files: Record<string, Buffer> = {};
  const redirects: Record<string, string> = {};
  for (const [arch, word, folder] of [
    ['amd64', 'x86_64', 'kvm'],
    ['arm64', 'arm64', 'kvm-arm64'],
  ] as const) {
    const name = (kernel: string) => `al2023-kvm-${AMAZON}-kernel-${kernel}-${word}.xfs.gpt.qcow2`;
    const disk = await kit.disk(name('6.12'));
    const sums = `${otherSum(name('6.1'))}  ${name('6.1')}\n${sha256(disk)}  ${name('6.12')}\n`;
    images[arch] = { url: `${root}latest/${folder}/${name('6.12')}`, disk };
    files[`${root}${AMAZON}/${folder}/${name('6.12')}`] = disk;
    files[`${root}${AMAZON}/${folder}/SHA256SUMS`] = Buffer.from(sums);
    for (const file of [name('6.12'), 'SHA256SUMS']) {
      redirects[`${root}latest/${folder}/${file}`] = `${root}${AMAZON}/${folder}/${file}`;
    }
  }
  return { images, files, redirects };
};

type Part = (
  kit: Parameters<Vendor>[0],
  arch: Architecture,
  word: string,
) => Promise<{ image: Image; files: Fixture['files'] }>;

/** The same for both architectures. */
function each(make: Part): Vendor {
  return async (kit) => {
    const images: Record<string, Image> = {};
    const files: Record<string, Buffer> = {};
    for (const arch of ['amd64', 'arm64'] as const) {
      const part = await make(kit, arch, WORDS[arch]);
      images[arch] = part.image;
      Object.assign(files, part.files, { [part.image.url]: part.image.disk });
    }
    return { images, files };
  };
}
