import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { type GuestNic, plainGuest } from '../guest/nic.ts';
import { renderNetworkConfig } from './network-config.ts';

const template = readFileSync(new URL('../../../../templates/cloud-init/network-config.hbs', import.meta.url), 'utf8');

/** What cloud-init takes ("Networking config Version 2"), as far as ours goes; nothing beside it. */
const schema = z.strictObject({
  version: z.literal(2),
  ethernets: z.record(
    z.string(),
    z.strictObject({
      match: z.strictObject({ macaddress: z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/) }),
      'set-name': z.string(),
      dhcp4: z.boolean(),
      dhcp6: z.boolean(),
      'accept-ra': z.boolean(),
      mtu: z.int().positive().optional(),
      addresses: z
        .array(z.string().regex(/^[\da-f.:]+\/\d+$/))
        .min(1)
        .optional(),
      routes: z
        .array(z.strictObject({ to: z.string(), via: z.string(), 'on-link': z.literal(true).optional() }))
        .min(1)
        .optional(),
      nameservers: z
        .strictObject({
          addresses: z.array(z.string()).min(1).optional(),
          search: z.array(z.string()).min(1).optional(),
        })
        .optional(),
    }),
  ),
});

const read = (network: readonly GuestNic[]) => schema.parse(parse(renderNetworkConfig(template, network)));

const plain = plainGuest('eth0', '02:42:ac:11:00:02');

test('a NIC that DHCP sets up', () => {
  expect(read([plain])).toEqual({
    version: 2,
    ethernets: {
      eth0: {
        match: { macaddress: '02:42:ac:11:00:02' },
        'set-name': 'eth0',
        dhcp4: true,
        dhcp6: false,
        'accept-ra': false,
      },
    },
  });
});

test('B6: a /32 with an on-link gateway; a second NIC by hand, both families', () => {
  const first = {
    ...plain,
    addresses: ['192.168.37.201/32'],
    routes: [{ to: '0.0.0.0/0', via: '169.254.1.1', onLink: true }],
    mtu: 1480,
    nameservers: ['10.96.0.10'],
    search: ['svc.cluster.local', 'cluster.local'],
  };
  const second = {
    ...plain,
    name: 'eth1',
    dhcp4: false,
    addresses: ['10.0.0.3/24', 'fd00::3/64'],
    routes: [{ to: '10.7.0.0/16', via: '10.0.0.9', onLink: false }],
    nameservers: ['fd00::53'],
  };
  expect(read([first, second]).ethernets).toMatchObject({
    eth0: {
      addresses: ['192.168.37.201/32'],
      routes: [{ to: '0.0.0.0/0', via: '169.254.1.1', 'on-link': true }],
      mtu: 1480,
      nameservers: { addresses: ['10.96.0.10'], search: ['svc.cluster.local', 'cluster.local'] },
    },
    eth1: {
      dhcp4: false,
      addresses: ['10.0.0.3/24', 'fd00::3/64'],
      routes: [{ to: '10.7.0.0/16', via: '10.0.0.9' }],
      nameservers: { addresses: ['fd00::53'] },
    },
  });
  expect(Object.keys(read([second, first]).ethernets)).toEqual(['eth1', 'eth0']);
});

test('search domains without a server, and a server without one', () => {
  expect(read([{ ...plain, search: ['a.example'] }]).ethernets['eth0']?.nameservers).toEqual({ search: ['a.example'] });
  expect(read([{ ...plain, nameservers: ['9.9.9.9'] }]).ethernets['eth0']?.nameservers).toEqual({
    addresses: ['9.9.9.9'],
  });
});

test('whatever a NIC or a domain is called, it is read back as it was, and stays one', () => {
  const odd = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'"\'\\:#{}[]&*!|>%@`,?- \nyn0'), minLength: 1 }),
    fc.string({ unit: 'grapheme', minLength: 1 }),
    fc.constantFrom('no', 'null', '1e3', '0x10', '~', '<<', '- a', 'eth0: {}', '{{name}}', '<b>&amp;', '1:30'),
  );
  const network = fc.uniqueArray(fc.tuple(odd, fc.array(odd, { maxLength: 2 })), {
    selector: ([name]) => name,
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(
    fc.property(network, (given) => {
      // Object keys that JavaScript has for itself tell nothing of YAML.
      fc.pre(given.every(([name]) => name !== '__proto__'));
      const { ethernets } = read(given.map(([name, search]) => ({ ...plain, name, search })));
      expect(Object.keys(ethernets).sort()).toEqual(given.map(([name]) => name).sort());
      for (const [name, search] of given) {
        expect(ethernets[name]?.['set-name']).toBe(name);
        expect(ethernets[name]?.nameservers?.search ?? []).toEqual(search);
      }
    }),
  );
});
