/** Up to `count` of `candidates` that look like `word`, nearest first. */
export function nearest(word: string, candidates: readonly string[], count = 5): string[] {
  const wanted = word.toLowerCase();
  const limit = Math.max(2, Math.floor(wanted.length / 2));
  return candidates
    .map((candidate) => ({ candidate, distance: score(wanted, candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || byVersion(a.candidate, b.candidate))
    .slice(0, count)
    .map(({ candidate }) => candidate);
}

function score(wanted: string, candidate: string): number {
  const letters = /^[a-z-]{3,}/.exec(wanted)?.[0];
  const distance = editDistance(wanted, candidate);
  return letters && candidate.startsWith(letters) ? distance / 2 : distance;
}

/** Insertions, deletions, changes and swaps of neighbours that lead from one word to the other (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, at(before, j - 2) + 1);
      row.push(best);
    }
    before = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? 0;
}

/** Orders `rhel7.9` before `rhel7.10`: digits count as numbers. */
export function byVersion(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
