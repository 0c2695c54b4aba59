import { isDigest, VirtainersError } from '@virtainers/core';

/** distribution/reference, "Grammar": [host[:port]/]path[:tag]. Digests name what is there, not what is to be made. */
const NAME =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::\d+)?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;

/** Checks a reference under which an image is to be known and completes its tag. ARGUMENTS_BAD. */
export function parseReference(text: string): string {
  const colon = text.lastIndexOf(':');
  const tagged = colon > text.lastIndexOf('/');
  const name = tagged ? text.slice(0, colon) : text;
  const tag = tagged ? text.slice(colon + 1) : 'latest';
  if (NAME.test(name) && TAG.test(tag) && name.length <= 255) return `${name}:${tag}`;
  throw new VirtainersError('ARGUMENTS_BAD', `${JSON.stringify(text)} is not an image reference`, {
    hint: 'write it as [HOST[:PORT]/]NAME[:TAG], the name in lower case',
  });
}

/** As engines store it: `virtainers/debian:13` -> `docker.io/virtainers/debian:13`. */
export function canonicalReference(reference: string): string {
  const [first = '', ...rest] = reference.split('/');
  const host = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  if (host) return reference;
  return rest.length > 0 ? `docker.io/${reference}` : `docker.io/library/${reference}`;
}

/** `registry.example:5000`, where the text is a reference that says one. */
export function registryOf(reference: string): string | undefined {
  const [first = '', ...rest] = canonicalReference(reference).split('/');
  return isReference(reference) && rest.length > 0 && reference.startsWith(`${first}/`) ? first : undefined;
}

/** Registries that may be spoken to as RegistryOptions.insecure says. */
export type InsecureRegistries = 'any' | readonly string[];

export function isInsecure(reference: string, registries: InsecureRegistries = []): boolean {
  const registry = registryOf(reference);
  return registries === 'any' || (registry !== undefined && registries.includes(registry));
}

/** What an image is called when nobody says: `debian:13-packages` -> `virtainers/debian:13-packages`. */
export function defaultReference(name: string): string {
  const colon = name.indexOf(':');
  const path = sanitise(colon === -1 ? name : name.slice(0, colon)) || 'disk';
  const tag =
    colon === -1
      ? 'latest'
      : name
          .slice(colon + 1)
          .replace(/[^\w.-]+/g, '-')
          .slice(0, 128);
  return parseReference(`virtainers/${path}:${/^\w/.test(tag) ? tag : 'latest'}`);
}

/** Puts what `usual` (`virtainers/debian:13`) has there for `{name}` and `{tag}`: `me/{name}:{tag}` -> `me/debian:13`. */
export function fillReference(template: string, usual: string): string {
  const [name = '', tag = ''] = usual.replace(/^virtainers\//, '').split(':');
  return template.replaceAll('{name}', name).replaceAll('{tag}', tag);
}

/** `My Disk (2)` -> `my-disk-2`: lower case, single separators, none at the ends. */
function sanitise(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, (run) => (run === '.' || run === '_' ? run : '-'))
    .slice(0, 128)
    .replace(/^[._-]+|[._-]+$/g, '');
}

/** Whether `text` may name an image that is there: by a tag, by a digest, or by both. */
export function isReference(text: string): boolean {
  const [name = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !isDigest(digest))) return false;
  const colon = name.lastIndexOf(':');
  const tagged = colon > name.lastIndexOf('/');
  return NAME.test(tagged ? name.slice(0, colon) : name) && (!tagged || TAG.test(name.slice(colon + 1)));
}

/** `quay.io/containerdisks/fedora:40` -> `fedora:40`: what it is called in its place; no tag says the same as `latest`. */
export function shortName(reference: string): string {
  return ((reference.split('@')[0] ?? '').split('/').at(-1) ?? '').replace(/:latest$/, '');
}
