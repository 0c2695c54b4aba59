/** Which paths of a root stay. */
export interface PathRules {
  drop(path: string): boolean;
  /** Patterns that no path has met so far: the list speaks of something that is no longer there. */
  unused(): string[];
}

/**
 * Globs as in images/runtime.yaml: `*` and `?` stay within a name, `{a,b}` is either. A pattern that meets a folder
 * means all that is in it. `keep` wins over `drop`, and keeps the folders on its way.
 */
export function pathRules(drop: readonly string[], keep: readonly string[] = []): PathRules {
  const dropped = drop.flatMap(expandBraces).map((pattern) => ({ pattern, regexp: globRegExp(pattern), met: false }));
  const kept = keep.flatMap(expandBraces);
  const keptPaths = kept.map(globRegExp);
  const keptFolders = kept.flatMap(ancestors).map((pattern) => new RegExp(`^${globSource(pattern)}$`));
  return {
    drop(path) {
      if (keptPaths.some((regexp) => regexp.test(path)) || keptFolders.some((regexp) => regexp.test(path)))
        return false;
      const rule = dropped.find((candidate) => candidate.regexp.test(path));
      if (rule) rule.met = true;
      return rule !== undefined;
    },
    unused: () => dropped.filter((rule) => !rule.met).map((rule) => rule.pattern),
  };
}

/** `a{b,c}d` -> `abd`, `acd`; innermost braces last. */
export function expandBraces(pattern: string): string[] {
  const match = /^(.*?)\{([^{}]*)\}(.*)$/.exec(pattern);
  if (!match) return [pattern];
  const [, before = '', choices = '', after = ''] = match;
  return choices.split(',').flatMap((choice) => expandBraces(`${before}${choice}${after}`));
}

/** Bytewise by component, a folder before what is in it: the order of `tar --sort=name`. */
export function comparePaths(a: string, b: string): number {
  const left = a.split('/');
  const right = b.split('/');
  for (let index = 0; index < left.length && index < right.length; index += 1) {
    const order = Buffer.compare(Buffer.from(left[index] ?? ''), Buffer.from(right[index] ?? ''));
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** `a/b/c` -> `a`, `a/b`. */
export function ancestors(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

function globRegExp(pattern: string): RegExp {
  return new RegExp(`^${globSource(pattern)}(/|$)`);
}

function globSource(pattern: string): string {
  return pattern
    .replace(/[.+^$()|[\]\\{}]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
}
