/** What fstab(5), or a unit that mounts or swaps (systemd.mount(5)), says of one file system. */
export interface Mount {
  /** `UUID=...`, `/dev/vda1`, `/swapfile`. */
  readonly spec: string;
  /** `/var`; `none` of a swap. */
  readonly point: string;
  readonly type: string;
}

/** How a partition may be called there. */
export interface Names {
  /** The partition's number: `1`. */
  readonly name: string;
  readonly partuuid?: string | undefined;
  readonly partlabel?: string | undefined;
  readonly uuid: string;
  readonly label: string;
}

const UNIT = /^\/(?:etc|usr\/lib)\/systemd\/system\/[^/]+\.(?:mount|swap)$/;
const FSTAB = '/etc/fstab';

export function saysMounts(path: string): boolean {
  return path === FSTAB || UNIT.test(path);
}

/** Of the text of one file for which saysMounts holds. */
export function parseMounts(path: string, text: string): Mount[] {
  return path === FSTAB ? parseFstab(text) : parseUnit(path, text);
}

export function parseFstab(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [spec = '', point, type] = line.trim().split(/\s+/).map(unescaped);
    return spec.startsWith('#') || !point || !type ? [] : [{ spec: spec.replaceAll('"', ''), point, type }];
  });
}

function parseUnit(path: string, text: string): Mount[] {
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1]?.trim();
  const spec = value('What');
  if (!spec) return [];
  if (path.endsWith('.swap')) return [{ spec, point: 'none', type: 'swap' }];
  const point = value('Where');
  return point ? [{ spec, point, type: value('Type') ?? 'auto' }] : [];
}

/** A blank in fstab is `\040`, in a link of udev's `\x20`. */
function unescaped(word: string): string {
  return word.replace(/\\(?:x([\da-f]{2})|([0-7]{3}))/gi, (_, hex, octal) =>
    String.fromCharCode(hex ? Number.parseInt(hex, 16) : Number.parseInt(octal, 8)),
  );
}

/** Where a guest mounts a file system; undefined: nowhere that it says. */
export function mountPoint(mounts: readonly Mount[], names: Names): string | undefined {
  return mounts.find(({ spec, point }) => point.startsWith('/') && isCalled(unescaped(spec), names))?.point;
}

function isCalled(spec: string, { name, partuuid, partlabel, uuid, label }: Names): boolean {
  const [, tag = '', value = ''] = /^(?:\/dev\/disk\/by-)?(UUID|LABEL|PARTUUID|PARTLABEL)[=/](.*)$/i.exec(spec) ?? [];
  const known: Record<string, string | undefined> = {
    ...{ UUID: uuid, LABEL: label, PARTUUID: partuuid, PARTLABEL: partlabel },
  };
  if (tag) return value !== '' && known[tag.toUpperCase()]?.toLowerCase() === value.toLowerCase();
  return /^\/dev\/[a-z]+$/.test(spec)
    ? name === 'whole disk'
    : /^\/dev\/(?:[sv]d[a-z]|nvme\d+n\d+p)(\d+)$/.exec(spec)?.[1] === name;
}

/** The Discoverable Partitions Specification: types of GPT's partitions that say where these belong. */
const TYPES: Readonly<Record<string, string>> = {
  '4D21B016-B534-45C2-A9FB-5C16E091FD2D': '/var',
  '7EC6F557-3BC5-4ACA-B293-16EF5DF639D1': '/var/tmp',
  '933AC7E1-2EB4-4F13-B844-0E14E2AEF915': '/home',
  '3B8F8425-20E0-4F3B-907F-1A25A76F98E8': '/srv',
  'BC13C2FF-59E6-4262-A352-B275FD6F7172': '/boot',
};

export function pointOfType(type = ''): string | undefined {
  return TYPES[type.toUpperCase()];
}

/** What is in a file system that is mounted there: something that fits each, the first row that does so. */
const LOOKS: readonly (readonly [point: string, ...RegExp[]])[] = [
  ['/', /^\/etc$/, /^\/usr$/],
  ['/var', /^\/lib$/, /^\/(log|cache|spool)$/],
  ['/var/log', /^\/(wtmp|btmp|lastlog|journal|syslog|messages)$/],
  ['/boot', /^\/(grub2?|loader|efi)$/],
  ['/home', /^\/[^/]+\/\.(bash|zsh|profile|ssh|config|cache)/],
];

/** Where a file system belongs by what is in it; undefined: it may be anything. */
export function pointByLooks(paths: readonly string[]): string | undefined {
  return LOOKS.find(([, ...marks]) => marks.every((mark) => paths.some((path) => mark.test(path))))?.[0];
}
