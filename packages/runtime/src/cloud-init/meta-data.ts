import { type Document, isMap, parseDocument, Scalar } from 'yaml';

/** What a user's meta-data lacks is added; what it says stays as it was written. */
interface MetaDataDefaults {
  readonly instanceId: string;
  readonly hostname: string;
  readonly keys: readonly string[];
}

export interface UserMetaData {
  /** The user's own, if there is one. */
  readonly instanceId: string | undefined;
  /** SSH keys are in it. */
  readonly hasKeys: boolean;
  complete(defaults: MetaDataDefaults): string;
}

/**
 * Reads NoCloud meta-data as a user wrote it: a YAML mapping (cloud-init, "NoCloud"). A sentence when it is none.
 * The document is kept as it was written, so that words which YAML 1.1 and 1.2 read differently stay the user's.
 */
export function parseMetaData(text: string): UserMetaData | string {
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true });
  const [error] = document.errors;
  if (error) return `not YAML: ${error.message.split('\n')[0]}`;
  if (document.contents === null) document.contents = document.createNode({}) as never;
  if (!isMap(document.contents)) return 'not a YAML mapping (lines such as `local-hostname: box`)';
  const id = document.get('instance-id');
  return {
    instanceId: id === undefined || id === null || id === '' ? undefined : String(id),
    hasKeys: document.has('public-keys') && document.get('public-keys') !== null,
    complete: (defaults) => complete(text, document, defaults),
  };
}

function complete(text: string, original: Document, defaults: MetaDataDefaults): string {
  const document = original.clone();
  let changed = false;
  const add = (key: string, value: unknown) => {
    document.set(document.createNode(key), value);
    changed = true;
  };
  if (isEmpty(document.get('instance-id'))) add('instance-id', quoted(defaults.instanceId));
  if (!document.has('local-hostname') && !document.has('hostname')) add('local-hostname', quoted(defaults.hostname));
  if (defaults.keys.length > 0) add('public-keys', mergeKeys(document, defaults.keys));
  return changed ? document.toString({ lineWidth: 0 }) : text;
}

/** cloud-init takes a text, a list and a mapping there (cloudinit/sources, normalize_pubkey_data). */
function mergeKeys(document: Document, keys: readonly string[]): unknown {
  const { 'public-keys': theirs } = document.toJS() as Record<string, unknown>;
  const own = keys.map(quoted);
  if (isEmpty(theirs)) return document.createNode(own);
  if (Array.isArray(theirs)) return document.createNode([...theirs, ...own]);
  if (typeof theirs === 'object') return document.createNode({ ...theirs, virtainers: own });
  return document.createNode([...String(theirs).split('\n').filter(Boolean), ...own]);
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

function quoted(text: string): Scalar<string> {
  const scalar = new Scalar(text);
  scalar.type = Scalar.QUOTE_DOUBLE;
  return scalar;
}
