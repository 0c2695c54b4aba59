import { expect, test } from 'vitest';
import { filesToRead, findSecrets } from './secrets.ts';

const KEY = '-----BEGIN RSA PRIVATE KEY-----\n';

function found(path: string, text: string): string | undefined {
  const file = { path, inode: { number: 1, mode: '100600', uid: 0, gid: 0, size: text.length } };
  const read = new Map(filesToRead([file]).map((each) => [each.path, text]));
  return findSecrets([file], read)[0]?.what;
}

test.each([
  ['/home/a/.ssh/id_rsa', KEY],
  ['/root/.ssh/deploy', '-----BEGIN OPENSSH PRIVATE KEY-----\n'],
  ['/home/a/.ssh/authorized_keys', 'ssh-ed25519 AAAA a@b\n'],
  ['/etc/ssh/ssh_host_rsa_key', KEY],
  ['/etc/shadow', 'root:*:1::::::\na:$y$hash:1::::::\n'],
  ['/etc/ssl/private/site.pem', KEY],
  ['/srv/app/tls/server.key', KEY],
  ['/etc/wireguard/wg0.conf', '[Interface]\nPrivateKey = x\n'],
  ['/root/.netrc', 'machine a password b\n'],
  ['/home/a/.git-credentials', 'https://a:b@c\n'],
  ['/home/a/.aws/credentials', 'x'],
  ['/home/a/.config/gcloud/application_default_credentials.json', '{}'],
  ['/root/.docker/config.json', '{"auths":{"r":{"auth":"eA=="}}}'],
  ['/root/.kube/config', 'x'],
  ['/etc/kubernetes/admin.conf', 'x'],
  ['/home/a/.npmrc', '//r/:_authToken=x\n'],
  ['/home/a/.pypirc', 'password = x\n'],
  ['/opt/app/.env', 'API_KEY=x\n'],
  ['/srv/.env.production', 'DATABASE_URL=x\n'],
  ['/etc/NetworkManager/system-connections/home.nmconnection', 'psk=x\n'],
  ['/etc/ppp/chap-secrets', 'me * "word" *\n'],
  ['/var/lib/cloud/seed/nocloud/user-data', '#cloud-config\npassword: x\n'],
  ['/root/.gnupg/private-keys-v1.d/A.key', 'x'],
  ['/root/.bash_history', 'x'],
])('%s is told', (path, text) => {
  expect(found(path, text)).toEqual(expect.any(String));
});

test.each([
  ['/home/a/.ssh/id_rsa.pub', 'ssh-rsa AAAA\n'],
  ['/home/a/.ssh/known_hosts', 'a ssh-rsa AAAA\n'],
  ['/etc/shadow', 'root:*:1::::::\na:!:1::::::\nb:!!:1::::::\nc::1::::::\n'],
  ['/etc/ssl/certs/ca.pem', '-----BEGIN CERTIFICATE-----\n'],
  ['/root/.docker/config.json', '{"credsStore":"pass"}'],
  ['/home/a/.npmrc', 'fund=false\n'],
  ['/opt/app/.env.example', 'API_KEY=x\n'],
  ['/opt/app/.env', 'PORT=80\n'],
  ['/usr/lib/python3/test/key.pem', KEY],
  ['/etc/netplan/01.yaml', 'network: {version: 2}\n'],
  ['/etc/cloud/cloud.cfg', 'ssh_pwauth: false\n'],
  ['/root/.aws/credentials', ''],
])('%s is not', (path, text) => {
  expect(found(path, text)).toBeUndefined();
});

test('what is no file is not looked into', () => {
  const link = { path: '/root/.ssh/id_rsa', inode: { number: 1, mode: '120777', uid: 0, gid: 0, size: 5 } };
  expect(filesToRead([link])).toEqual([]);
});
