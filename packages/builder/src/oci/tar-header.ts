/** One header block of a tar that somebody else may have written. */
export interface TarHeader {
  readonly name: string;
  readonly size: number;
  /** `0` a file, `1` a hard link, `2` a symbolic link, `5` a folder; `x`, `g`, `L`, `K` describe what follows. */
  readonly type: string;
  /** What a link leads to. */
  readonly target: string;
}

/** What a pax header or GNU's long name says of the entry behind it. */
export interface TarOverride {
  readonly name?: string;
  readonly size?: number;
  /** Its content is not the file's bytes in a row (GNU tar --sparse). */
  readonly sparse?: true;
}

export const BLOCK = 512;
/** Nobody's name is longer; what is, is made to fill memory. */
export const LONGEST_NAME = 64 * 1024;

/**
 * POSIX pax, "ustar Interchange Format"; sizes of 8 GiB and more in base 256, as GNU and tar-stream write them. Undefined
 * for a block that is none.
 */
export function parseHeader(block: Buffer): TarHeader | undefined {
  let sum = 256;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i] ?? 0;
  if (sum !== octal(block, 148, 8)) return undefined;
  const size = (block[124] ?? 0) & 0x80 ? Number(block.readBigUInt64BE(128)) : octal(block, 124, 12);
  if (size === undefined || !Number.isSafeInteger(size)) return undefined;
  const ustar = block.toString('latin1', 257, 262) === 'ustar';
  const prefix = ustar && block[262] === 0 ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  const flag = String.fromCharCode(block[156] ?? 0);
  const type = flag === '\0' || flag === '7' ? '0' : flag;
  return { name: prefix ? `${prefix}/${name}` : name, size, type, target: text(block, 157, 100) };
}

/** Bytes behind the header: links, devices, folders and pipes have none, whatever their header says. */
export function bodySize(header: TarHeader, override: TarOverride): number {
  return /[1-6]/.test(header.type) ? 0 : (override.size ?? header.size);
}

/** The content of an `x` or `L` entry. */
export function parseOverride(type: string, content: Buffer): TarOverride {
  const said = content.toString('utf8');
  return type === 'L' ? { name: said.replace(/\0.*$/s, '') } : parsePax(said);
}

/** Records `<length> <key>=<value>\n`; only those that move things are used. */
function parsePax(records: string): TarOverride {
  const name = /(?:^|\n)\d+ path=([^\n]*)\n/.exec(records)?.[1];
  const size = /(?:^|\n)\d+ size=(\d{1,15})\n/.exec(records)?.[1];
  return {
    ...(name === undefined ? {} : { name }),
    ...(size === undefined ? {} : { size: Number(size) }),
    ...(/(?:^|\n)\d+ GNU\.sparse\./.test(records) ? { sparse: true as const } : {}),
  };
}

function octal(block: Buffer, start: number, length: number): number | undefined {
  const digits = text(block, start, length).trim();
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : undefined;
}

function text(block: Buffer, start: number, length: number): string {
  return block.toString('utf8', start, start + length).replace(/\0.*$/s, '');
}
