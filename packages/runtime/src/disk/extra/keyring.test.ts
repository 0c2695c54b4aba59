import { expect, test } from 'vitest';
import { parseKeyring } from './keyring.ts';

const TEXT =
  '[client.admin]\n\tkey = AQAdmin==\n\tcaps mon = "allow *"\n[client.me]\n key="AQMine="\n[osd.0]\nkey = AQOsd==\n';

test("a user's own key is taken, and no other's", () => {
  expect(parseKeyring(TEXT, 'admin')).toBe('AQAdmin==');
  expect(parseKeyring(TEXT, 'me')).toBe('AQMine=');
  expect(parseKeyring(TEXT, 'osd.0')).toBeUndefined();
  expect(parseKeyring('[client.me]\ncaps mon = "allow r"\n', 'me')).toBeUndefined();
});
