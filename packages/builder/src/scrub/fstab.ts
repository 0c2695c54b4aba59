/** What a line of fstab(5) says. */
export interface FstabLine {
  /** `UUID=...`, `/dev/vda1`, `/swapfile`. */
  readonly spec: string;
  /** `/var`; `none` of a swap. */
  readonly point: string;
  readonly type: string;
}

/** How a partition may be called in fstab. */
export interface Names {
  /** The partition's number: `1`. */
  readonly name: string;
  /** PARTUUID. */
  readonly partition?: string | undefined;
  readonly uuid: string;
  readonly label: string;
}

export function parseFstab(text: string): FstabLine[] {
  return text.split('\n').flatMap((line) => {
    const [spec = '', point, type] = line.trim().split(/\s+/);
    return spec.startsWith('#') || !point || !type ? [] : [{ spec: spec.replaceAll('"', ''), point, type }];
  });
}

/** Where a guest mounts a file system; undefined: nowhere that it says. */
export function mountPoint(lines: readonly FstabLine[], names: Names): string | undefined {
  return lines.find(({ spec, point }) => point.startsWith('/') && isCalled(spec, names))?.point;
}

function isCalled(spec: string, { name, partition, uuid, label }: Names): boolean {
  const [, tag = '', value = ''] = /^(?:\/dev\/disk\/by-)?(UUID|LABEL|PARTUUID)[=/](.*)$/i.exec(spec) ?? [];
  const known: Record<string, string | undefined> = { UUID: uuid, LABEL: label, PARTUUID: partition };
  if (tag) return value !== '' && known[tag.toUpperCase()]?.toLowerCase() === value.toLowerCase();
  return /^\/dev\/[a-z]+$/.test(spec)
    ? name === 'whole disk'
    : /^\/dev\/(?:[sv]d[a-z]|nvme\d+n\d+p)(\d+)$/.exec(spec)?.[1] === name;
}
