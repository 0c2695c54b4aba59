import type { Architecture } from '@virtainers/core';
import { otherSum, sha256, type Vendor } from './kit.ts';

interface Release {
  readonly version: string;
  readonly codename: string;
  readonly flavour: 'server' | 'minimal';
  readonly architectures: readonly Architecture[];
}

const BUILD = '20260720';

/** simplestreams' index beside a folder for every build, whose SHA256SUMS has a detached signature. */
export function ubuntu({ version, codename, flavour, architectures }: Release): Vendor {
  return async (kit) => {
    const mirror = `https://cloud-images.ubuntu.com/${flavour === 'minimal' ? 'minimal/' : ''}releases/`;
    const folder = `${flavour === 'server' ? 'server/releases/' : ''}${codename}/release-${BUILD}/`;
    const images: Partial<Record<Architecture, { url: string; disk: Buffer }>> = {};
    const products: Record<string, unknown> = {};
    const sums: string[] = [];
    for (const arch of architectures) {
      const name = `ubuntu-${version}-${flavour}-cloudimg-${arch}.img`;
      const disk = await kit.disk(mirror + folder + name);
      images[arch] = { url: mirror + folder + name, disk };
      products[`com.ubuntu.cloud:${flavour}:${version}:${arch}`] = product(arch, codename, version, {
        [BUILD]: { ftype: 'disk1.img', path: folder + name, sha256: sha256(disk), size: disk.length },
        20260101: { ftype: 'disk1.img', path: `gone/${name}`, sha256: otherSum(name), size: 1 },
      });
      const others = ['-root.tar.xz', '.ova', '.squashfs'].map((end) => name.replace('.img', end));
      sums.push(...others.map((other) => `${otherSum(other)} *${other}\n`), `${sha256(disk)} *${name}\n`);
    }
    const file = Buffer.from(sums.join(''));
    return {
      images,
      files: {
        [`${mirror}streams/v1/com.ubuntu.cloud:released:download.json`]: Buffer.from(
          JSON.stringify({
            content_id: 'com.ubuntu.cloud:released:download',
            datatype: 'image-downloads',
            format: 'products:1.0',
            products,
          }),
        ),
        ...Object.fromEntries(Object.values(images).map(({ url, disk }) => [url, disk])),
        [`${mirror}${folder}SHA256SUMS`]: file,
        [`${mirror}${folder}SHA256SUMS.gpg`]: await kit.detach(file),
      },
    };
  };
}

function product(arch: string, release: string, version: string, versions: Record<string, object>) {
  return {
    arch,
    release,
    version,
    supported: true,
    versions: Object.fromEntries(
      Object.entries(versions).map(([name, item]) => [name, { label: 'release', items: { 'disk1.img': item } }]),
    ),
  };
}
