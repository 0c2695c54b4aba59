/** What a disk lies on, as libvirt tells kinds apart. */
export type DiskPlace = FilePlace | BlockPlace | NetworkPlace;

export interface FilePlace {
  readonly kind: 'file';
  readonly path: string;
}

export interface BlockPlace {
  readonly kind: 'block';
  readonly path: string;
  /** It is to be made there: QEMU's user may not open the one that the container was given. */
  readonly node?: { readonly major: number; readonly minor: number } | undefined;
}

export interface NetworkPlace {
  readonly kind: 'network';
  readonly protocol: 'rbd' | 'iscsi';
  /** `pool/image`, `target/lun`. */
  readonly name: string;
  readonly host?: { readonly name: string; readonly port: number } | undefined;
  /** Ceph's configuration, which says where the cluster is. */
  readonly config?: string | undefined;
  readonly secret?: DiskSecret | undefined;
}

/** What logs in to a disk on the network: handed to libvirt, never written into XML, a log or an argv. */
export interface DiskSecret {
  readonly type: 'ceph' | 'iscsi';
  readonly user: string;
  /** libvirt's name of it. */
  readonly usage: string;
  /** Ceph's key in base64, or a password; a function, so that nothing prints it by chance. */
  value(): string;
}

/** A disk that the guest gets beside its own: the person's, not the image's. */
export interface ExtraDisk {
  /** Unique among a machine's. */
  readonly name: string;
  /** /dev/disk/by-id/virtio-SERIAL in the guest. */
  readonly serial: string;
  /** Where it comes from, as the person knows it. */
  readonly from: string;
  readonly place: DiskPlace;
  readonly format: 'qcow2' | 'raw';
  /** What the guest sees, in bytes; undefined where nobody says it before QEMU does. */
  readonly size: number | undefined;
  readonly readonly: boolean;
}

/** The same with the name that libvirt, and mostly the guest, gives it: `vdc`. */
export interface PlacedDisk extends ExtraDisk {
  readonly target: string;
}

/** 0 -> vda, 25 -> vdz, 26 -> vdaa (Linux, block/genhd.c, disk names). */
export function diskTarget(index: number): string {
  const letters = (left: number): string =>
    (left < 26 ? '' : letters(Math.floor(left / 26) - 1)) + String.fromCharCode(97 + (left % 26));
  return `vd${letters(index)}`;
}
