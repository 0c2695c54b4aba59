/** A folder that the guest mounts at each boot. */
export interface GuestMount {
  /** By which the device is known in the guest. */
  readonly tag: string;
  readonly driver: 'virtiofs' | '9p';
  /** An absolute path in the guest. */
  readonly folder: string;
  readonly readonly: boolean;
}

/** As options of mount(8). 9p: by default it asks in pieces of 128 KiB at most (Linux, filesystems/9p.rst). */
export function mountOptions({ driver, readonly }: GuestMount): string {
  return [
    readonly ? 'ro' : 'rw',
    ...(driver === '9p' ? ['trans=virtio', 'version=9p2000.L', 'msize=512000'] : []),
  ].join(',');
}
