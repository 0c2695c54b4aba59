import { type GuestFile, isRegular } from './rules.ts';

/** Something in a guest that should perhaps not be shared. */
export interface Secret {
  /** As the guest sees it; it may hold any character but a slash's and a newline's. */
  readonly path: string;
  /** For people: `a private key`. */
  readonly what: string;
}

interface Rule {
  readonly what: string;
  readonly path: RegExp;
  /** It counts only where this is in it. */
  readonly holds?: RegExp;
}

const HOME = '^(/root|/home/[^/]+|/var/lib/[^/]+)';
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/** The first rule that fits a file counts. */
const RULES: readonly Rule[] = [
  { what: 'passwords are set', path: /^\/etc\/shadow-?$/, holds: /^[^:\n]+:[^:!*\n][^:\n]*:/m },
  {
    what: 'lets its owners log in to every copy',
    path: /\/\.ssh\/authorized_keys2?$/,
    holds: /^[^#\n]*\b(ssh|ecdsa|sk)-/m,
  },
  { what: "the machine's own key", path: /^\/etc\/ssh\/ssh_host_[^/]*_key$/ },
  { what: 'a private key', path: /\/\.ssh\/[^/]+$/, holds: PRIVATE_KEY },
  { what: 'a private key', path: /^\/etc\/(ssl|pki)(\/[^/]+)*\/private\/[^/]+$/, holds: PRIVATE_KEY },
  {
    what: 'a private key',
    path: /^\/etc\/letsencrypt\/(archive|keys|accounts)\/.*\.(pem|json)$/,
    holds: /PRIVATE KEY|"d":/,
  },
  {
    what: 'a private key',
    path: /^\/(etc|root|home|srv|opt|var)\/.*\.(key|pem|p8|ppk)$/,
    holds: /PRIVATE KEY|PuTTY-User-Key/,
  },
  { what: 'keys and certificates', path: /^\/(etc|root|home|srv|opt)\/.*\.(p12|pfx|jks|keystore)$/ },
  { what: "WireGuard's private key", path: /^\/etc\/wireguard\/.*$/, holds: /PrivateKey\s*=|^[A-Za-z0-9+/]{43}=\s*$/m },
  { what: 'private keys', path: /\/\.gnupg\/(private-keys-v1\.d\/.+|secring\.gpg)$/ },
  { what: 'a Kerberos key', path: /^\/etc\/krb5\.keytab$/ },
  { what: 'passwords of servers', path: new RegExp(`${HOME}/\\.(netrc|git-credentials|pgpass|my\\.cnf)$`) },
  { what: 'keys of a cloud', path: new RegExp(`${HOME}/\\.aws/(credentials|sso/cache/.+|cli/cache/.+)$`) },
  {
    what: 'keys of a cloud',
    path: new RegExp(`${HOME}/\\.config/gcloud/(.*credentials.*|access_tokens\\.db)$`),
  },
  { what: 'keys of a cloud', path: new RegExp(`${HOME}/\\.azure/(accessTokens|msal_token_cache).*$`) },
  { what: 'keys of a cloud', path: new RegExp(`${HOME}/\\.(s3cfg|boto|config/rclone/rclone\\.conf|config/doctl/.+)$`) },
  {
    what: "a registry's password",
    path: new RegExp(`${HOME}/(\\.docker/config\\.json|\\.dockercfg|\\.config/containers/auth\\.json)$`),
    holds: /"(auth|identitytoken|registrytoken)"\s*:\s*"[^"]/,
  },
  { what: "a cluster's keys", path: new RegExp(`${HOME}/\\.kube/config$`) },
  { what: "a cluster's keys", path: /^\/etc\/(kubernetes\/[^/]+\.conf|rancher\/(k3s|rke2)\/[^/]+\.yaml)$/ },
  { what: 'a token', path: new RegExp(`${HOME}/\\.npmrc$`), holds: /_auth|_password/ },
  { what: 'a password', path: new RegExp(`${HOME}/\\.pypirc$`), holds: /password/ },
  { what: 'a token', path: new RegExp(`${HOME}/\\.(cargo/credentials(\\.toml)?|gem/credentials|vault-token)$`) },
  { what: 'a token', path: new RegExp(`${HOME}/\\.config/(gh|hub|glab-cli)/[^/]+$`), holds: /token/ },
  {
    what: 'a token',
    path: new RegExp(`${HOME}/\\.(terraform\\.d/credentials\\.tfrc\\.json|terraformrc|composer/auth\\.json)$`),
  },
  {
    what: 'settings with secrets',
    path: /^\/(etc|root|home|srv|opt|var)\/(.*\/)?\.env(\.(?!example$|sample$|template$|dist$)[^/]+)?$/,
    holds: /(pass|secret|token|key|credential|dsn|_url)\w*\s*=\s*\S/i,
  },
  {
    what: 'passwords of networks',
    path: /^\/etc\/(NetworkManager\/system-connections|wpa_supplicant|netplan|ppp|openvpn)\/.+$/,
    holds: /psk|password|secret|private-key|PRIVATE KEY|^\s*["\w*]+\s+\S+\s+"\S/im,
  },
  { what: 'a secret of IPsec', path: /^\/etc\/(ipsec\.secrets|swanctl\/(private|rsa|ecdsa|pkcs8)\/.+)$/, holds: /\S/ },
  {
    what: 'passwords for cloud-init',
    path: /^\/var\/lib\/cloud\/(seed|instances)\/.+$|^\/etc\/cloud\/.+\.(cfg|yaml)$/,
    holds: /^\s*(-\s*)?(passwd|password|hashed_passwd|plain_text_passwd|chpasswd|ssh_keys|\w+_private)\s*:\s*\S/m,
  },
  { what: 'a history of commands', path: /\/(\.[\w-]+_history|fish_history)$|^(\/root|\/home\/[^/]+)\/\.history$/ },
];

/** Longer files are not looked into. */
const MAX_SIZE = 256 * 1024;

/** The files that only their content can tell about: of `files`, those that are to be looked into. Pure. */
export function filesToRead(files: readonly GuestFile[]): GuestFile[] {
  return files.filter((file) => {
    const rules = rulesFor(file);
    return rules.some(({ holds }) => holds !== undefined) && file.inode.size <= MAX_SIZE;
  });
}

/** What secrets are in `files`; `read` gives the text of those that filesToRead names. Sorted by path. Pure. */
export function findSecrets(files: readonly GuestFile[], read: ReadonlyMap<string, string>): Secret[] {
  const found = files.flatMap((file): Secret[] => {
    const { path } = file;
    const rule = rulesFor(file).find(({ holds }) => holds === undefined || holds.test(read.get(path) ?? ''));
    return rule ? [{ path, what: rule.what }] : [];
  });
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function rulesFor({ path, inode }: GuestFile): Rule[] {
  return isRegular(inode) && inode.size > 0 ? RULES.filter((rule) => rule.path.test(path)) : [];
}
