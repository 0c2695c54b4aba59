import { readFileSync } from 'node:fs';

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  /** A workspace, which lies at `resolved`. */
  readonly link?: boolean;
  readonly resolved?: string;
}

const FOLDER = 'node_modules/';

/** The npm packages that a workspace's bundle carries, by package-lock.json: what it depends on, and what those do. */
export function bundledPackages(workspace: string): object[] {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Locked> };
  const found = new Map<string, Locked>();
  const visit = (path: string): void => {
    const locked = packages[path];
    if (found.has(path) || !locked) return;
    found.set(path, locked);
    for (const name of Object.keys(locked.dependencies ?? {})) visit(resolve(packages, path, name));
  };
  visit(workspace);
  const others = [...found].filter(([path]) => path.includes(FOLDER)).sort(([one], [other]) => (one < other ? -1 : 1));
  return others.map(([path, { version, integrity = '' }]) => ({
    name: path.slice(path.lastIndexOf(FOLDER) + FOLDER.length),
    version,
    sha512: Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex'),
  }));
}

/** As Node.js looks for it: beside the importer, then in each folder above. */
function resolve(packages: Readonly<Record<string, Locked>>, from: string, name: string): string {
  for (let folder = from; ; folder = folder.replace(/(^|\/)[^/]*$/, '')) {
    const path = `${folder}${folder && '/'}${FOLDER}${name}`;
    const locked = packages[path];
    if (locked) return locked.link ? (locked.resolved ?? path) : path;
    if (folder === '') throw new Error(`${name}, which ${from} asks for, is not in package-lock.json`);
  }
}
