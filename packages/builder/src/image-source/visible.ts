const OPAQUE = '.wh..wh..opq';
const WHITEOUT = '.wh.';

/** What is looked for in an image; everything else is passed over. */
export const WANTED = ['disk', 'overlays', 'etc/virtainers/machine.json'] as const;

/** Whether `path` is one of those, on the way to one, or beneath one. */
export function isWanted(path: string): boolean {
  return WANTED.some((wanted) => path === wanted || path.startsWith(`${wanted}/`) || wanted.startsWith(`${path}/`));
}

/**
 * What the layers above hide of those below (image-spec, layer.md, "Whiteouts"). Layers are told from the top down; what a
 * layer hides, it hides from those below it only.
 */
export class Hidden {
  /** Gone with all beneath: removed, or a file now. */
  private readonly gone = new Set<string>();
  /** Folders of which only the content is gone. */
  private readonly emptied = new Set<string>();
  /** Folders above; whatever is below them in the same place has given way, unless it is a folder too. */
  private readonly folders = new Set<string>();
  private pending: (readonly [Set<string>, string])[] = [];

  /** Whether an entry of the layer that is being told is a whiteout, and so no file; remembers what it hides either way. */
  tell(path: string, folder: boolean): boolean {
    const slash = path.lastIndexOf('/');
    const [parent, name] = [path.slice(0, Math.max(slash, 0)), path.slice(slash + 1)];
    if (name === OPAQUE) this.later(parent, this.emptied);
    else if (name.startsWith(WHITEOUT)) this.later(`${path.slice(0, slash + 1)}${name.slice(4)}`, this.gone);
    else this.later(path, folder ? this.folders : this.gone);
    return name.startsWith(WHITEOUT);
  }

  /** Whether the layers above hide an entry of this one. */
  covers(path: string, folder: boolean): boolean {
    if (this.emptied.has('') || this.gone.has(path) || (!folder && this.folders.has(path))) return true;
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const parent = path.slice(0, at);
      if (this.gone.has(parent) || this.emptied.has(parent)) return true;
    }
    return false;
  }

  /** Everything of this layer has been told; the next one lies below it. */
  nextLayer(): void {
    for (const [set, path] of this.pending) set.add(path);
    this.pending = [];
  }

  private later(path: string, to: Set<string>): void {
    if (path === '' || isWanted(path)) this.pending.push([to, path]);
  }
}
