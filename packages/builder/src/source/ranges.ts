/** Stretches of a file, each from its first byte to before its last: in order, and with gaps between them. */
export type Ranges = readonly Range[];

export type Range = readonly [start: number, end: number];

/** With one stretch more, which may touch or overlap the others. */
export function addRange(ranges: Ranges, [start, end]: Range): Ranges {
  if (end <= start) return ranges;
  const before = ranges.filter((range) => range[1] < start);
  const after = ranges.filter((range) => range[0] > end);
  const touching = ranges.slice(before.length, ranges.length - after.length);
  const first = Math.min(start, ...touching.map((range) => range[0]));
  const last = Math.max(end, ...touching.map((range) => range[1]));
  return [...before, [first, last], ...after];
}

/** How many bytes there are from the file's start to the first gap. */
export function prefixOf([first]: Ranges): number {
  return first?.[0] === 0 ? first[1] : 0;
}

export function sizeOfRanges(ranges: Ranges): number {
  return ranges.reduce((sum, [start, end]) => sum + end - start, 0);
}

/** The first gap of a file of `total` bytes, at most `most` of it. */
export function firstGap(ranges: Ranges, total: number, most: number): Range | undefined {
  const start = prefixOf(ranges);
  const next = ranges.find((range) => range[0] > start)?.[0] ?? total;
  return start < total ? [start, Math.min(next, start + most, total)] : undefined;
}

/** What of it lies before the file's byte `end`. */
export function clipRanges(ranges: Ranges, end: number): Ranges {
  return ranges.flatMap((range) => (range[0] < end ? [[range[0], Math.min(range[1], end)] as const] : []));
}
