import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CatalogueRow, listCatalogue, loadDefinitions } from '@virtainers/builder';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { renderCatalogue } from './catalog.ts';

const IMAGES = join(import.meta.dirname, '../../../../images');

let cacheDir: string;
let rows: CatalogueRow[];

beforeAll(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'virtainers-catalog-'));
  rows = await listCatalogue({ cacheDir }, await loadDefinitions(IMAGES), '2026-11-26');
});

afterAll(() => rm(cacheDir, { recursive: true, force: true }));

function row(name: string): CatalogueRow | undefined {
  return rows.find((one) => one.name === name);
}

/** Digests, sizes and dates as wide as they get. */
function atTheirWidest(one: CatalogueRow): CatalogueRow {
  const resolved = one.resolved && '2026-11-26';
  return { ...one, resolved, size: 1023.9 * 1024 ** 2, baked: `sha256:${'0'.repeat(64)}` };
}

test('the whole catalogue fits 120 columns, even when all of it is cached and resolved', () => {
  expect(rows.length).toBeGreaterThan(40);
  for (const list of [rows, rows.map(atTheirWidest)]) {
    for (const line of renderCatalogue(list)) expect(line.length, line).toBeLessThanOrEqual(120);
  }
});

test('a line has what one chooses by', () => {
  const [head, line] = renderCatalogue([row('fedora:44') as CatalogueRow]);
  const columns = ['NAME', 'ARCH', 'USER', 'SIZE', 'SOURCE', 'TRUST', 'RESOLVED', 'BAKED', 'END OF LIFE'];
  expect(head?.split(/ {2,}/)).toEqual(columns);
  const { resolved = '' } = row('fedora:44') ?? {};
  const values = ['fedora:44', 'amd64,arm64', 'fedora', '-', 'vendor', 'signed', resolved, '-', '2027-06-02'];
  expect(line?.split(/ {2,}/)).toEqual(values);
});

test('JSON has all that is known', () => {
  expect(JSON.parse(JSON.stringify(row('ubuntu:24.04')))).toEqual({
    name: 'ubuntu:24.04',
    release: '24.04',
    aliases: ['ubuntu:noble'],
    title: expect.stringContaining('Noble'),
    kind: 'cloud',
    source: 'vendor',
    architectures: ['amd64', 'arm64'],
    osinfo: 'ubuntu24.04',
    user: 'ubuntu',
    firmware: ['bios', 'uefi'],
    trust: 'signed',
    resolved: expect.stringMatching(/^never$|^\d{4}-\d\d-\d\d$/),
    endOfLife: '2029-05-31',
    ended: false,
  });
});

test('who vouches is said of every vendor’s image', () => {
  expect(row('debian:13')?.trust).toBe('unsigned');
  expect(row('fedora:29')?.trust).toBe('pinned');
  expect(row('gentoo')?.trust).toBe('unchecked');
  for (const one of rows) expect(one.trust === undefined).toBe(one.source !== 'vendor');
});

test('what gets no fixes any more has ended', () => {
  expect(row('centos:7')?.ended).toBe(true);
  expect(row('ubuntu:26.04')?.ended).toBe(false);
  expect(row('archlinux')?.ended).toBe(false);
});
