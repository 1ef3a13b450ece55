/**
 * Protects: the setting of key services. What could not work, or would send a token over the network in the clear, stops the program
 * with the setting's name; times have bounds; a file may have the setting as a map.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { kms } from '../../../proxy/config/kms-config.ts';
import { ConfigError, readSettings } from '../../../proxy/config/settings.ts';

const directory = mkdtempSync(join(tmpdir(), 'sealgate-kms-config-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const pin = join(directory, 'pin');
writeFileSync(pin, '123456\n');

const TRANSIT = { url: 'https://bao.example:8200', key: 'tenants', tokenFile: '/run/token' };
const AWS = { region: 'eu-central-1', key: 'alias/sealgate' };

function refusal(value: unknown, more: Record<string, string> = {}): string {
  try {
    kms({ SEALGATE_KMS: typeof value === 'string' ? value : JSON.stringify(value), ...more });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'taken';
}

test('each kind of provider is read, with its defaults', async () => {
  const { providers, cacheMs, graceMs } = kms({
    SEALGATE_KMS: JSON.stringify({
      'transit:main': TRANSIT,
      'aws-kms:prod': AWS,
      'aws-kms:china': { region: 'cn-north-1', key: 'k' },
      'pkcs11:hsm': { module: '/lib/p11.so', token: 't', key: 'tenants', pinFile: pin },
    }),
  });
  expect([cacheMs, graceMs]).toEqual([300_000, 0]);
  expect(providers).toMatchObject([
    { kind: 'transit', name: 'transit:main', mount: 'transit', auth: { kind: 'token-file', path: '/run/token' } },
    { kind: 'aws-kms', credentials: { kind: 'aws' }, endpoint: new URL('https://kms.eu-central-1.amazonaws.com') },
    { kind: 'aws-kms', endpoint: new URL('https://kms.cn-north-1.amazonaws.com.cn') },
    { kind: 'pkcs11', module: '/lib/p11.so' },
  ]);
  const [hsm] = providers.filter((one) => one.kind === 'pkcs11');
  expect(await hsm?.pin()).toBe('123456');
});

test.each([
  ['no JSON', '{', /^SEALGATE_KMS: is not well-formed JSON/],
  ['a list', [], /must be an object/],
  ['a kind that is none', { 'gcp:a': {} }, /'gcp:a' is not transit:NAME/],
  ['a name that is none', { 'transit:A b': TRANSIT }, /is not transit:NAME/],
  ['one name twice', { 'transit:a': TRANSIT, 'aws-kms:a': AWS }, /two providers have the name 'a'/],
  [
    'plain HTTP over the network',
    { 'transit:a': { ...TRANSIT, url: 'http://bao.example:8200' } },
    /must be an https:\/\/ URL/,
  ],
  [
    'plain HTTP to a name like the loopback',
    { 'transit:a': { ...TRANSIT, url: 'http://127.0.0.1.evil.example' } },
    /https/,
  ],
  ['a password in the address', { 'transit:a': { ...TRANSIT, url: 'https://a:b@bao.example' } }, /https/],
  ['a password without a name', { 'transit:a': { ...TRANSIT, url: 'https://:b@bao.example' } }, /https/],
  ['a token of two lines', { 'transit:a': { url: TRANSIT.url, key: 'k', token: 'a\nb' } }, /transit:a: token/],
  ['a namespace that no header takes', { 'transit:a': { ...TRANSIT, namespace: 'a\r\nb' } }, /transit:a: namespace/],
  ['no way to sign in', { 'transit:a': { url: TRANSIT.url, key: 'k' } }, /must have one of/],
  ['two ways to sign in', { 'transit:a': { ...TRANSIT, token: 'x' } }, /must have one of/],
  ['a key that leads elsewhere', { 'transit:a': { ...TRANSIT, key: '../../sys/seal' } }, /transit:a: key/],
  ['a key that leads up', { 'transit:a': { ...TRANSIT, key: '..' } }, /transit:a: key/],
  ['a mount that leads elsewhere', { 'transit:a': { ...TRANSIT, mount: 'a/../b' } }, /transit:a: mount/],
  ['an unknown member', { 'aws-kms:a': { ...AWS, secret: 'x' } }, /aws-kms:a/],
  ['half of a key pair', { 'aws-kms:a': { ...AWS, accessKeyIdFile: pin } }, /accessKeyIdFile and secretAccessKeyFile/],
  ['an authority that is none', { 'aws-kms:a': { ...AWS, ca: pin } }, /certificate in PEM form/],
  [
    'a PIN file that is not there',
    { 'pkcs11:a': { module: 'm', token: 't', key: 'k', pinFile: '/nowhere' } },
    /\/nowhere cannot be read/,
  ],
] as const)('%s is refused', (_name, value, message) => {
  expect(refusal(value)).toMatch(message);
});

test('plain HTTP to an agent on this machine is taken', () => {
  for (const url of ['http://127.0.0.1:8100', 'http://[::1]:8100', 'http://localhost:8100']) {
    expect(refusal({ 'transit:a': { ...TRANSIT, url } })).toBe('taken');
  }
});

test.each([
  ['SEALGATE_KMS_CACHE', '90s', 90_000],
  ['SEALGATE_KMS_CACHE', '5m', 300_000],
  ['SEALGATE_KMS_GRACE', '1h', 3_600_000],
  ['SEALGATE_KMS_GRACE', '30', 30_000],
] as const)('%s=%s', (name, value, ms) => {
  const { cacheMs, graceMs } = kms({ [name]: value });
  expect(name === 'SEALGATE_KMS_CACHE' ? cacheMs : graceMs).toBe(ms);
});

test.each([
  ['SEALGATE_KMS_CACHE', '0'],
  ['SEALGATE_KMS_CACHE', '2h'],
  ['SEALGATE_KMS_CACHE', 'long'],
  ['SEALGATE_KMS_GRACE', '25h'],
] as const)('%s=%s is refused by its name', (name, value) => {
  expect(refusal({}, { [name]: value })).toMatch(new RegExp(`^${name}: must be a time`));
});

test('a file has it as a map', () => {
  const path = join(directory, 'settings.yaml');
  writeFileSync(path, `SEALGATE_KMS:\n  aws-kms:prod:\n    region: eu-central-1\n    key: alias/sealgate\n`);
  expect(kms(readSettings({ SEALGATE_CONFIG: path })).providers).toMatchObject([{ name: 'aws-kms:prod' }]);
});
