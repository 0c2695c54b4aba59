import { expect, test } from 'vitest';
import { parseOsinfo } from './osinfo.ts';

test('an operating system stands there under each of its short ids, with what stands directly in it', () => {
  const table = parseOsinfo(`<?xml version="1.0"?>
<libosinfo version="0.0.1">
  <!-- <os id="http://no"><short-id>no</short-id></os> -->
  <os id="http://debian.org/debian/13">
    <short-id>debian13</short-id>
    <short-id>debiantrixie</short-id>
    <name>Debian 13 &amp; more</name>
    <name xml:lang="de">Debian dreizehn</name>
    <version>13</version>
    <media arch="x86_64"><variant id="x"/><name>not this</name><short-id>nor-this</short-id></media>
    <family>linux</family>
    <distro>debian</distro>
  </os>
</libosinfo>`);
  const entry = {
    id: 'http://debian.org/debian/13',
    name: 'Debian 13 & more',
    family: 'linux',
    distro: 'debian',
    version: '13',
  };
  expect(table).toEqual({ debian13: entry, debiantrixie: entry });
});

test('other files of the database hold no operating system', () => {
  expect(parseOsinfo('<libosinfo><platform id="x"><short-id>p</short-id></platform></libosinfo>')).toEqual({});
});
