/** Runs what it is given, at most `most` at once, in the order in which it was asked. */
export function makeLimit(most: number): <T>(use: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (use) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await use();
    } finally {
      // Whoever waits takes over this place.
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}

/** Makes it when it is first asked for, and only then. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** The same for each of many, told apart by `key`. */
export function onceEach<A, T>(make: (one: A) => T, key: (one: A) => unknown = (one) => one): (one: A) => T {
  const made = new Map<unknown, { readonly value: T }>();
  return (one) => {
    const known = made.get(key(one)) ?? { value: make(one) };
    made.set(key(one), known);
    return known.value;
  };
}
