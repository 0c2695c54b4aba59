const KEY_TYPE = /(?:^|[\s,"])(?:ssh-|ecdsa-|sk-)[a-z0-9@.-]+\s+[A-Za-z0-9+/]{16,}={0,3}(?:\s|$)/;

/**
 * The keys in a file such as id_rsa.pub or authorized_keys (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"): one a line, options
 * before and a comment behind allowed. A sentence when a line is none; the line itself is not shown, it may be a secret.
 */
export function parsePublicKeys(text: string): string[] | string {
  if (text.includes('PRIVATE KEY-----')) return 'a private key; mount the public one (its name ends in .pub)';
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  const keys: string[] = [];
  for (const [index, line] of lines.entries()) {
    const key = line.trim();
    if (key === '' || key.startsWith('#')) continue;
    if (/[\p{Cc}\p{Cs}\u2028\u2029\ufeff\ufffe\uffff]/u.test(key.replaceAll('\t', ' ')) || !KEY_TYPE.test(key)) {
      return `line ${index + 1} is not an SSH public key`;
    }
    keys.push(key.replaceAll('\t', ' '));
  }
  return keys.length > 0 ? keys : 'no SSH public key in it';
}
