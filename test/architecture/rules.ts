import { posix } from 'node:path';

/** A TypeScript file: its path from the repository's root, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** What a package may import of the others (design: cli -> host -> builder -> core, runtime -> core). */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  builder: ['core'],
  host: ['builder', 'core'],
  cli: ['host', 'builder', 'core'],
  runtime: ['core'],
};

/** Parts of the runtime that know nothing of each other: lifecycle alone wires them. */
const SIBLINGS = ['daemon', 'disk', 'cloud-init', 'network', 'domain', 'readiness', 'share'];

/** Folders of the builder that must not know the others on the right, and libraries likewise. */
const BUILDER_FENCES: Readonly<Record<string, readonly string[]>> = {
  source: ['oci', 'tar-stream'],
  oci: ['source', 'definition', 'root', 'disk'],
};

/** Libraries that one file alone knows; a test beside the code may read XML with the same parser. */
const KEEPERS: Readonly<Record<string, string>> = {
  execa: 'packages/core/src/exec.ts',
  'node:child_process': 'packages/core/src/exec.ts',
  child_process: 'packages/core/src/exec.ts',
  xml2js: 'packages/runtime/src/domain/xml.ts',
};

/** Where a pause is right, each with its reason; everywhere else an event is waited for. */
const PAUSES: Readonly<Record<string, string>> = {
  'packages/builder/src/source/retry.ts': 'backs off from a server that failed',
  'packages/runtime/src/domain/jobs.ts': 'virsh does not say from when it hears the events of a job',
  'packages/runtime/src/lifecycle/room.ts': 'the kernel tells nobody that a file system has room again',
  'packages/runtime/src/readiness/knock.ts': 'a TCP port announces itself by no event',
  'test/helpers/faults/chance.ts': 'a fault strikes at a random moment',
  'test/helpers/process.ts': 'waitFor, the bounded poll of a remote thing',
};

const MAX_LINES = 400;

/** Every breach of the house's rules, as `path: what is wrong`. */
export function findViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => RULES.flatMap((rule) => rule(file)).map((text) => `${file.path}: ${text}`));
}

type Rule = (file: SourceFile) => string[];

const RULES: readonly Rule[] = [
  packageArrows,
  runtimeSiblings,
  builderFences,
  keepers,
  processInMainOnly,
  pauses,
  ({ text }) => (/\bvi\.(mock|doMock)\(/.test(text) ? ['mocks a module; hand the function in'] : []),
  ({ text }) => (text.split('\n').length > MAX_LINES + 1 ? [`longer than ${MAX_LINES} lines`] : []),
];

function packageArrows(file: SourceFile): string[] {
  const { name } = placeOf(file.path);
  if (name === undefined) return [];
  const allowed = ARROWS[name] ?? [];
  return importsOf(file).flatMap((target) => {
    const other = /^@virtainers\/([\w-]+)/.exec(target)?.[1] ?? outsider(file.path, target, name);
    if (other === undefined || other === name || allowed.includes(other)) return [];
    return [`${name} imports ${other} (${target})`];
  });
}

/** The package, or the place outside packages/, that a relative import reaches; undefined within the own one. */
function outsider(path: string, target: string, name: string): string | undefined {
  // A package's tests may use test/helpers.
  if (!target.startsWith('.') || path.endsWith('.test.ts')) return undefined;
  const reached = posix.join(posix.dirname(path), target);
  return reached.startsWith(`packages/${name}/`) ? undefined : reached;
}

function runtimeSiblings(file: SourceFile): string[] {
  const { name, folder } = placeOf(file.path);
  if (name !== 'runtime' || folder === undefined || !SIBLINGS.includes(folder)) return [];
  const strangers = [...SIBLINGS, 'lifecycle'].filter((sibling) => sibling !== folder);
  return reaches(file, 'runtime', strangers).map((other) => `${folder} imports its sibling ${other}`);
}

function builderFences(file: SourceFile): string[] {
  const { name, folder } = placeOf(file.path);
  const strangers = BUILDER_FENCES[folder ?? ''];
  if (name !== 'builder' || !strangers) return [];
  const libraries = importsOf(file).filter((target) => strangers.includes(target));
  return [...reaches(file, 'builder', strangers), ...libraries].map((other) => `${folder} imports ${other}`);
}

/** Which of `folders` of the package's src the file imports from. */
function reaches(file: SourceFile, name: string, folders: readonly string[]): string[] {
  const targets = importsOf(file)
    .filter((target) => target.startsWith('.'))
    .map((target) => placeOf(posix.join(posix.dirname(file.path), target)));
  const reached = targets.filter((place) => place.name === name).map((place) => place.folder ?? '');
  return folders.filter((folder) => reached.includes(folder));
}

function keepers(file: SourceFile): string[] {
  return importsOf(file)
    .filter((target) => target in KEEPERS && KEEPERS[target] !== file.path)
    .filter((target) => target !== 'xml2js' || !file.path.endsWith('.test.ts'))
    .map((target) => `imports ${target}, which only ${KEEPERS[target]} does`);
}

function processInMainOnly({ path, text }: SourceFile): string[] {
  if (!path.startsWith('packages/') || /(\/main|\.test)\.ts$/.test(path)) return [];
  const found = withoutComments(text).match(/\bprocess\.(env|argv|exit|exitCode|on|once|off|kill|chdir)\b/g);
  return [...new Set(found ?? [])].map((word) => `uses ${word}, which only main.ts does`);
}

function pauses(file: SourceFile): string[] {
  if (file.path in PAUSES) return [];
  const imported = importsOf(file).includes('node:timers/promises') ? ['imports node:timers/promises'] : [];
  const promised = /new Promise\S*\(\(?\w+\)? => setTimeout\(/.test(file.text) ? ['waits a fixed time'] : [];
  const commanded = /\((['"`])sleep\1,/.test(file.text) ? ['runs sleep'] : [];
  return [...imported, ...promised, ...commanded].map((text) => `${text}: wait for an event instead`);
}

/** `packages/runtime/src/disk/open.ts` -> runtime, disk. */
function placeOf(path: string): { name?: string | undefined; folder?: string | undefined } {
  const [, name, rest = ''] = /^packages\/([\w-]+)\/src\/(.*)$/.exec(path) ?? [];
  return { name, folder: rest.includes('/') ? rest.split('/')[0] : undefined };
}

function importsOf({ text }: SourceFile): string[] {
  const pattern = /(?:\bfrom|\bimport|\bimport\()\s*(['"])([^'"\n]+)\1/g;
  return [...withoutComments(text).matchAll(pattern)].map((match) => match[2] ?? '');
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}
