/** How often each thing is measured: `ROUNDS=1 npm run bench`. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 5);

/** What is compared takes turns (A B C A B C), so that a slow minute of the machine is nobody's own. */
export async function takeTurns<Name extends string, Figure = number>(
  names: readonly Name[],
  measure: (name: Name) => Promise<Figure>,
): Promise<Readonly<Record<Name, readonly Figure[]>>> {
  const figures = new Map<Name, Figure[]>(names.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, values] of figures) values.push(await measure(name));
  }
  return Object.fromEntries(figures) as Record<Name, Figure[]>;
}

/** Seconds until `work` is done. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** `bake, warm cache: median 1.20 s (1.10 to 1.40)`. */
export function printFigures(what: string, values: readonly number[], unit: string): void {
  console.log(`${what}: median ${middle(values)} ${unit} (${range(values)})`);
}

/** `bridge, host to guest: median 0.98 of a bare tap (0.96 to 1.01)`: of each round's own ratio. */
export function printRatio(what: string, values: readonly number[], of: string, others: readonly number[]): void {
  const ratios = values.map((value, round) => value / (others[round] ?? Number.NaN));
  console.log(`${what}: median ${middle(ratios)} ${of} (${range(ratios)})`);
}

function middle(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = low] = sorted.length % 2 === 0 ? sorted.slice(half - 1, half + 1) : [sorted[half]];
  return ((low + high) / 2).toFixed(2);
}

function range(values: readonly number[]): string {
  return `${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`;
}
