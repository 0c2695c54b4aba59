import type { Architecture } from '@virtainers/core';
import { type Kit, otherSum, sha512, type Vendor } from './kit.ts';

const ROOT = 'https://cloud.debian.org/images/cloud/';
const BUILD = '20260712-2537';
const ARCHITECTURES = ['amd64', 'arm64'] as const;

/** A folder for every build, and `latest/` with a JSON file for each image that says which build it is. */
export function debian(codename: string, number: number): Vendor {
  return async (kit) => {
    const folder = `${ROOT}${codename}/${BUILD}/`;
    const images = await disks(kit, (arch) => `${folder}debian-${number}-genericcloud-${arch}-${BUILD}.qcow2`);
    const sums = ARCHITECTURES.map((arch) => {
      const name = `debian-${number}-genericcloud-${arch}-${BUILD}.qcow2`;
      const other = `debian-${number}-nocloud-${arch}-${BUILD}.qcow2`;
      return `${sha512(images[arch].disk)}  ${name}\n${otherSum(name).repeat(2)}  ${name}.json\n${otherSum(other).repeat(2)}  ${other}\n`;
    });
    const sidecars = ARCHITECTURES.map((arch) => [
      `${ROOT}${codename}/latest/debian-${number}-genericcloud-${arch}.json`,
      sidecar(`${codename}/${BUILD}/debian-${number}-genericcloud-${arch}-${BUILD}`, images[arch].disk),
    ]);
    return {
      images,
      files: {
        ...Object.fromEntries(sidecars),
        ...Object.fromEntries(ARCHITECTURES.map((arch) => [images[arch].url, images[arch].disk])),
        [`${folder}SHA512SUMS`]: Buffer.from(sums.join('')),
      },
    };
  };
}

/** Daily images of the release that is being made: names that stay. */
export function debianDaily(codename: string, number: number): Vendor {
  return async (kit) => {
    const folder = `${ROOT}${codename}/daily/latest/`;
    const images = await disks(kit, (arch) => `${folder}debian-${number}-genericcloud-${arch}-daily.qcow2`);
    const sums = Object.values(images).map(({ url, disk }) => `${sha512(disk)}  ${url.slice(folder.length)}\n`);
    return {
      images,
      files: {
        ...Object.fromEntries(Object.values(images).map(({ url, disk }) => [url, disk])),
        [`${folder}SHA512SUMS`]: Buffer.from(sums.join('')),
      },
    };
  };
}

async function disks(kit: Kit, url: (arch: Architecture) => string) {
  const image = async (arch: Architecture) => ({ url: url(arch), disk: await kit.disk(url(arch)) });
  return { amd64: await image('amd64'), arm64: await image('arm64') };
}

/** The upload's description, with the digest in base64 without padding. */
function sidecar(stem: string, disk: Buffer): Buffer {
  const upload = (format: string, bytes: Buffer) => ({
    apiVersion: 'cloud.debian.org/v1alpha1',
    kind: 'Upload',
    data: { provider: 'cloud.debian.org', ref: `${stem}.${format}` },
    metadata: {
      labels: { 'cloud.debian.org/version': BUILD, 'upload.cloud.debian.org/image-format': format },
      annotations: {
        'cloud.debian.org/digest': `sha512:${Buffer.from(sha512(bytes), 'hex').toString('base64').replace(/=+$/, '')}`,
      },
    },
  });
  const build = { apiVersion: 'cloud.debian.org/v1alpha1', kind: 'Build', data: { packages: [] } };
  const items = [build, upload('raw', Buffer.from(stem)), upload('qcow2', disk)];
  return Buffer.from(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
}
