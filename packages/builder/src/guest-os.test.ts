import { expect, test } from 'vitest';
import { guessGuestOs } from './guest-os.ts';

test.each([
  ['debian-13-genericcloud-amd64', 'debian', 'debian13'],
  ['Fedora-Cloud-Base-Generic-44-1.7.x86_64', 'fedora', 'fedora44'],
  ['Fedora-Cloud-Base-Generic.x86_64-40-1.14', 'fedora', 'fedora40'],
  ['noble-server-cloudimg-amd64', 'ubuntu', 'ubuntu24.04'],
  ['ubuntu-24.04-minimal-cloudimg-amd64', 'ubuntu', 'ubuntu24.04'],
  ['CentOS-7-x86_64-GenericCloud-2009', 'centos', 'centos7.0'],
  ['CentOS-Stream-GenericCloud-9-latest.x86_64', 'cloud-user', 'centos-stream9'],
  ['Rocky-9-GenericCloud-Base.latest.x86_64', 'rocky', 'rocky9'],
  ['AlmaLinux-10-GenericCloud-latest.x86_64', 'almalinux', 'almalinux10'],
  ['FreeBSD-14.3-RELEASE-amd64-BASIC-CLOUDINIT-ufs', 'freebsd', 'freebsd14.3'],
  ['my-disk', 'cloud-user', 'linux2022'],
])('%s: %s, %s', (stem, user, osinfo) => {
  expect(guessGuestOs(stem)).toEqual({ user, osinfo });
});
