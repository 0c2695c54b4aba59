import { bsdLine, otherSum, sha256, type Vendor } from './kit.ts';

const WORDS = { amd64: 'x86_64', arm64: 'aarch64' } as const;
const VENDOR = 'https://download.fedoraproject.org/pub/fedora/linux/releases/';
const ARCHIVE = 'https://dl.fedoraproject.org/pub/archive/fedora/linux/releases/';
const MIRROR = 'https://mirrors.kernel.org/fedora/releases/';

/** releases.json for all that is alive; each architecture's CHECKSUM signed within itself; files come from mirrors. */
export function fedora(release: number, tag: string): Vendor {
  return async (kit) => {
    const entries: object[] = [
      entry(`${release + 1} Beta`, 'x86_64', `test/${release + 1}_Beta/Beta.qcow2`, 'Cloud_Base'),
    ];
    const images: Record<string, { url: string; disk: Buffer }> = {};
    const files: Record<string, Buffer> = {};
    const redirects: Record<string, string> = {};
    for (const [arch, word] of Object.entries(WORDS)) {
      const folder = `${release}/Cloud/${word}/images/`;
      const name = `Fedora-Cloud-Base-Generic-${release}-${tag}.${word}.qcow2`;
      const disk = await kit.disk(name);
      const uki = `Fedora-Cloud-Base-UEFI-UKI-${release}-${tag}.${word}.qcow2`;
      entries.push(entry(`${release}`, word, folder + uki, 'Cloud_Base_UKI'));
      entries.push(entry(`${release}`, word, folder + name, 'Cloud_Base', disk));
      const sums = `${folder}Fedora-Cloud-${release}-${tag}-${word}-CHECKSUM`;
      files[MIRROR + folder + name] = disk;
      files[MIRROR + sums] = await kit.clear(`${bsdLine(uki, Buffer.from(uki))}${bsdLine(name, disk)}`);
      for (const path of [folder + name, sums]) redirects[VENDOR + path] = MIRROR + path;
      images[arch] = { url: VENDOR + folder + name, disk };
    }
    const archive = Object.entries(files).map(([url, content]) => [url.replace(MIRROR, ARCHIVE), content]);
    files['https://fedoraproject.org/releases.json'] = Buffer.from(JSON.stringify(entries));
    return { images, files, redirects, archive: Object.fromEntries(archive) };
  };
}

function entry(version: string, arch: string, path: string, subvariant: string, disk?: Buffer) {
  const known = disk ? { sha256: sha256(disk), size: String(disk.length) } : { sha256: otherSum(path), size: '1' };
  return { version, arch, link: VENDOR + path, variant: 'Cloud', subvariant, ...known };
}

/** A release that is over: one folder of the archive, whose sum the catalogue knows. */
export function fedoraArchive(release: number, tag: string): Vendor {
  return async (kit) => {
    const name = `Fedora-Cloud-Base-${release}-${tag}.x86_64.qcow2`;
    const url = `${ARCHIVE}${release}/Cloud/x86_64/images/${name}`;
    const disk = await kit.disk(name);
    const other = url.replace('https://dl.', 'https://archives.');
    return { images: { amd64: { url, disk } }, files: { [url]: disk }, archive: { [other]: disk } };
  };
}
