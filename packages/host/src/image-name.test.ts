import { expect, test } from 'vitest';
import { docker } from './engine/docker.ts';
import { podman } from './engine/podman.ts';
import { candidates } from './image-name.ts';

const catalogue = [{ name: 'debian:13-packages', aliases: ['trixie'] }];

test.each([
  [docker, 'debian:13-packages', ['virtainers/debian:13-packages', 'debian:13-packages']],
  [podman, 'trixie', ['docker.io/virtainers/debian:13-packages', 'localhost/virtainers/debian:13-packages', 'trixie']],
  [podman, 'box', ['docker.io/virtainers/box', 'localhost/virtainers/box', 'box']],
  [docker, 'virtainers/box', ['virtainers/box']],
  [docker, 'registry.example:5000/me/box:1', ['registry.example:5000/me/box:1']],
])('$name looks for %s', (dialect, word, references) => {
  expect(candidates({ dialect }, word, catalogue)).toEqual(references);
});
