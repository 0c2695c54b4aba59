import { expect, test } from 'vitest';
import { parseImageOrigin } from './image-origin.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

test.each([
  ['oci://quay.io/containerdisks/fedora:41', 'registry', 'quay.io/containerdisks/fedora:41', 'fedora:41'],
  [`docker://127.0.0.1:5000/me/box@${DIGEST}`, 'registry', `127.0.0.1:5000/me/box@${DIGEST}`, 'box'],
  ['docker-daemon:me/box:latest', 'docker-daemon', 'me/box:latest', 'box'],
  ['containers-storage:localhost/box:1', 'containers-storage', 'localhost/box:1', 'box:1'],
  ['docker-archive:/tmp/saved.tar', 'docker-archive', '/tmp/saved.tar', 'saved'],
  ['oci-archive:a/b.tar', 'layout', 'a/b.tar', 'b'],
  ['oci:layout', 'layout', 'layout', 'layout'],
])('%s', (source, transport, name, stem) => {
  expect(parseImageOrigin(source)).toMatchObject({ kind: 'image', transport, name, stem });
});

test('an image of several in an archive is named behind the path; folders are not published', () => {
  expect(parseImageOrigin('oci-archive:/home/me/all.tar:me/box:1')).toMatchObject({
    name: '/home/me/all.tar',
    reference: 'me/box:1',
    label: 'oci-archive:all.tar:me/box:1',
  });
});

test.each(['debian:13', './disk.qcow2', 'https://example.org/x', 'oci'])('%s is no image', (source) => {
  expect(parseImageOrigin(source)).toBeUndefined();
});

test.each([
  'oci://',
  'oci:',
  'docker-daemon:Upper',
  'oci://me:secret@example.org/x:1',
  'oci://x@sha256:12',
  'docker://-x',
])('%s names no image, and is not repeated', (source) => {
  expect(() => parseImageOrigin(source)).toThrow(
    expect.objectContaining({ code: 'ARGUMENTS_BAD', message: expect.not.stringContaining('secret') }),
  );
});
