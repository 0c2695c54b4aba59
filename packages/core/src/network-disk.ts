import { isIP } from 'node:net';
import { DISK_NAME_ALLOWED, diskSerial, isDiskName } from './extra-disk.ts';

/** A disk that QEMU itself fetches over the network, as a person names it. */
export type NetworkDisk = {
  /** Without what stands behind it. */
  readonly uri: string;
  readonly name: string;
  readonly readonly: boolean;
} & (
  | {
      readonly protocol: 'rbd';
      readonly pool: string;
      readonly image: string;
      /** Ceph's user, without `client.`; undefined: admin, where there is a keyring for it. */
      readonly user: string | undefined;
      readonly conf: string;
      readonly keyring: string | undefined;
    }
  | {
      readonly protocol: 'iscsi';
      readonly host: string;
      readonly port: number;
      readonly target: string;
      readonly lun: number;
      /** CHAP; both or none. */
      readonly user: string | undefined;
      readonly passwordFile: string | undefined;
    }
);

/** As it is said in errors. */
export const NETWORK_DISK_ALLOWED =
  'parted by spaces, each rbd:POOL/IMAGE[:id=USER][:conf=FILE][:keyring=FILE][:NAME][:ro] or iscsi://HOST[:PORT]/TARGET/LUN[:user=USER:password-file=FILE][:NAME][:ro]';

const DEFAULT_CONF = '/etc/ceph/ceph.conf';
const ISCSI_PORT = 3260;
/** A path that needs no escaping in any of QEMU's syntaxes. */
const PATH = /^\/[\w./+-]{1,500}$/;
const USER = /^[\w.+-]{1,64}$/;
/** What may stand behind a disk as `key=value`, and how that is said. */
const VALUES: Readonly<Record<string, readonly [RegExp, string]>> = {
  id: [USER, "a user's name"],
  user: [USER, "a user's name"],
  conf: [PATH, 'the path of a file'],
  keyring: [PATH, 'the path of a file'],
  'password-file': [PATH, 'the path of a file'],
};
/** RFC 3720, 3.2.6.3: iqn., eui. and naa. names. */
const TARGET = /^(?:iqn|eui|naa)\.[A-Za-z0-9.:_-]{1,219}$/;

/** Whether a word is meant for one. */
export function isNetworkDisk(text: string): boolean {
  return /^(?:rbd|iscsi):/i.test(text);
}

/** Parses one; a text says what is wrong with it, in which no password stands. */
export function parseNetworkDisk(text: string): NetworkDisk | string {
  if (text.startsWith('rbd:')) return parseRbd(text);
  if (text.startsWith('iscsi:')) return parseIscsi(text);
  return 'not a disk on the network; a file is mounted in /volumes, a device in /dev/vm';
}

/** The same text as it may be shown: who writes a login or a key into it, in another program's syntax, finds it nowhere. */
export function withoutSecrets(text: string): string {
  const shown = (word: string, key: string, value: string) => {
    return Object.hasOwn(VALUES, key) && VALUES[key]?.[0].test(value) ? word : `:${key}=***`;
  };
  return text.replace(/^(iscsi:\/\/).*@/is, '$1***@').replace(/:([^:=]*)=([^:]*)/g, shown);
}

function parseRbd(text: string): NetworkDisk | string {
  const [place = '', ...words] = text.slice('rbd:'.length).split(':');
  const [, pool, image] = /^([\w.-]{1,64})\/([\w.-]{1,96})$/.exec(place) ?? [];
  if (pool === undefined || image === undefined) return 'POOL/IMAGE is expected; no namespace, no snapshot';
  const tail = readTail(words, ['id', 'conf', 'keyring']);
  if (typeof tail === 'string') return tail;
  return {
    protocol: 'rbd',
    ...{ uri: `rbd:${pool}/${image}`, pool, image },
    ...{ user: tail.values['id'], conf: tail.values['conf'] ?? DEFAULT_CONF, keyring: tail.values['keyring'] },
    ...{ name: tail.name ?? diskSerial(image), readonly: tail.readonly },
  };
}

function parseIscsi(text: string): NetworkDisk | string {
  const [, authority = '', rest = ''] = /^iscsi:\/\/([^/]*)\/(.*)$/.exec(text) ?? [];
  if (authority.includes('@')) return 'user=USER:password-file=FILE at its end tells who logs in; no password in a URI';
  const [, host = '', digits = String(ISCSI_PORT)] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(authority) ?? [];
  const plain = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(plain) === 0 && !/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(plain))
    return 'HOST[:PORT] is expected';
  const port = Number(digits);
  if (port < 1 || port > 65_535) return `${digits} is no port`;
  const [, target = '', lun = '', tailText = ''] = /^([^/]*)\/(\d{1,5})((?::.*)?)$/.exec(rest) ?? [];
  if (!TARGET.test(target)) return 'TARGET/LUN is expected, such as iqn.2026-01.example:store/1';
  const tail = readTail(tailText.split(':').slice(1), ['user', 'password-file']);
  if (typeof tail === 'string') return tail;
  const [user, passwordFile] = [tail.values['user'], tail.values['password-file']];
  if ((user === undefined) !== (passwordFile === undefined)) return 'user and password-file go together';
  const called = `${target.replace(/^.*:/, '')}-${lun}`;
  return {
    protocol: 'iscsi',
    ...{
      uri: `iscsi://${authority}/${target}/${lun}`,
      host: plain,
      port,
      target,
      lun: Number(lun),
      user,
      passwordFile,
    },
    ...{ name: tail.name ?? diskSerial(called), readonly: tail.readonly },
  };
}

interface Tail {
  readonly values: Readonly<Record<string, string>>;
  readonly name: string | undefined;
  readonly readonly: boolean;
}

/** What stands behind, parted by colons: `key=value` of those allowed, a name, `ro`. */
function readTail(words: readonly string[], allowed: readonly string[]): Tail | string {
  const values: Record<string, string> = {};
  const names: string[] = [];
  for (const word of words.filter((each) => each !== 'ro')) {
    const [, key, value = ''] = /^([^=]*)=(.*)$/.exec(word) ?? [];
    if (key === undefined) names.push(word);
    else if (!allowed.includes(key)) return `${key}= is not known; ${allowed.join('=, ')}= are`;
    else if (!VALUES[key]?.[0].test(value)) return `${key}= has to be ${VALUES[key]?.[1]}`;
    else values[key] = value;
  }
  const [name] = names;
  if (names.length > 1) return `${names.join(' and ')}: one name is enough`;
  if (name !== undefined && !isDiskName(name)) return `${JSON.stringify(name)} is no name: ${DISK_NAME_ALLOWED}`;
  return { values, name, readonly: words.includes('ro') };
}
