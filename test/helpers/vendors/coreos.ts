import { createHash } from 'node:crypto';
import { sha256, sha512, type Vendor } from './kit.ts';
import { parts } from './others.ts';

const BUILD = '44.20261107.3.1';

/** A stream's JSON names packed images, each with a binary signature of the packed file. */
export const fedoraCoreos: Vendor = async (kit) => {
  const root = 'https://builds.coreos.fedoraproject.org/';
  const fixture = await parts({ amd64: 'x86_64', arm64: 'aarch64' }, async (_kit, _arch, word) => {
    const url = `${root}prod/streams/stable/builds/${BUILD}/${word}/fedora-coreos-${BUILD}-qemu.${word}.qcow2.xz`;
    const disk = await kit.pack('xz', await kit.disk(url));
    return { image: { url, disk }, files: { [url]: disk, [`${url}.sig`]: await kit.detach(disk, false) } };
  })(kit);
  const architecture = ({ url, disk }: { url: string; disk: Buffer }) => ({
    artifacts: {
      aws: { release: BUILD, formats: { 'vmdk.xz': { disk: { location: url.replace('qemu', 'aws'), sha256: '' } } } },
      qemu: {
        release: BUILD,
        formats: { 'qcow2.xz': { disk: { location: url, signature: `${url}.sig`, sha256: sha256(disk) } } },
      },
    },
  });
  const { amd64, arm64 } = fixture.images;
  const architectures = {
    x86_64: amd64 && architecture(amd64),
    aarch64: arm64 && architecture(arm64),
    s390x: { artifacts: {} },
  };
  const stream = Buffer.from(JSON.stringify({ stream: 'stable', metadata: {}, architectures }));
  return { ...fixture, files: { ...fixture.files, [`${root}streams/stable.json`]: stream } };
};

/** Sums of several algorithms, signed within themselves. */
export const flatcar: Vendor = parts({ amd64: 'qemu', arm64: 'qemu_uefi' }, async (kit, arch, word) => {
  const name = `flatcar_production_${word}_image.img`;
  const url = `https://stable.release.flatcar-linux.net/${arch}-usr/current/${name}`;
  const disk = await kit.disk(url);
  const hash = (algorithm: string) => createHash(algorithm).update(disk).digest('hex');
  const sums = `# MD5 HASH\n${hash('md5')}  ${name}\n# SHA1 HASH\n${hash('sha1')}  ${name}\n# SHA512 HASH\n${sha512(disk)}  ${name}\n`;
  const files = {
    [url]: disk,
    [`${url}.sig`]: await kit.detach(disk, false),
    [`${url}.DIGESTS`]: Buffer.from(sums),
    [`${url}.DIGESTS.asc`]: await kit.clear(sums),
  };
  return { image: { url, disk }, files };
});
