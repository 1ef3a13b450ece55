// Protects: an access key id opens only in its one form, under its own seal key, and says nothing about why it does not.
import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { S3Error } from '../../../../proxy/errors.ts';
import { sealAccessKeyId, unsealAccessKeyId } from '../../../../proxy/keyring/access-keys/access-key-id.ts';
import { SealKey, SealKeys } from '../../../../proxy/keyring/access-keys/seal-keys.ts';
import { newSlotId, newTenantId } from '../../../../proxy/keyring/ids.ts';
import {
  type ApiKey,
  apiKeyFromText,
  generateApiKey,
  kdfInput,
  signingSecretOf,
} from '../../../../proxy/keyring/slots/api-key.ts';
import { newSealKeys } from '../../../helpers/keyring-fixture.ts';

const sealKeys = newSealKeys('one', 'two');
const [tenant, slot] = [newTenantId(), newSlotId()];
const seal = (apiKey: ApiKey, keys = sealKeys) => sealAccessKeyId({ sealKeys: keys, tenant, slot, apiKey });

function refusal(id: string, keys = sealKeys): string {
  try {
    unsealAccessKeyId(id, keys);
  } catch (error) {
    if (error instanceof S3Error) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'opened';
}

const REFUSED = refusal('SG1');

describe('round trip', () => {
  const kinds: readonly (readonly [name: string, apiKey: ApiKey, length: number])[] = [
    ['generated', generateApiKey(), 107],
    ['digest', apiKeyFromText('x'.repeat(61)), 107],
    ['raw, 47 bytes', apiKeyFromText('x'.repeat(47)), 127],
    ['raw, 1 byte', apiKeyFromText('x'), 66],
  ];

  it.each(kinds)('%s', (_name, apiKey, length) => {
    const id = seal(apiKey);
    expect(id).toMatch(/^SG1[A-Za-z0-9_-]+$/);
    expect(id.length).toBe(length);
    const key = unsealAccessKeyId(id, sealKeys);
    expect(key).toMatchObject({ tenant, slot, kind: 'sealed' });
    expect(key.secret).toEqual(kdfInput(apiKey));
    expect(key.signingSecret.bytes()).toEqual(signingSecretOf(apiKey));
    expect(key.fingerprint).toMatch(/^[0-9a-f]{12}$/);
    expect(id).not.toContain(key.fingerprint);
  });

  it('ends with its seal key, also for who opened the id before: as any id that does not open', () => {
    const keys = new SealKeys(sealKeys.all);
    const key = unsealAccessKeyId(seal(generateApiKey(), keys), keys);
    expect(keys.activate('two')).toBe(true);
    keys.adopt(new SealKeys([keys.active]));
    const code = (error: unknown) => (error instanceof S3Error ? `${error.code}: ${error.message}` : String(error));
    for (const use of [() => key.secret, () => key.signingSecret.bytes(), () => key.apiKey]) {
      let refused = '';
      try {
        use();
      } catch (error) {
        refused = code(error);
      }
      expect(refused).toBe(REFUSED);
    }
  });

  it('every raw length from 1 to 47', () => {
    for (let length = 1; length <= 47; length += 1) {
      const id = seal({ type: 'raw', bytes: randomBytes(length) });
      expect(unsealAccessKeyId(id, sealKeys).secret.length).toBe(length);
    }
  });

  it('seals the same key differently each time', () => {
    const apiKey = generateApiKey();
    expect(seal(apiKey)).not.toBe(seal(apiKey));
  });
});

describe('what is kept of an opened id', () => {
  it('holds no API key: that is unsealed again for who asks', () => {
    for (const apiKey of [
      generateApiKey(),
      apiKeyFromText('a secret of some length'),
      apiKeyFromText('y'.repeat(61)),
    ]) {
      const key = unsealAccessKeyId(seal(apiKey), sealKeys);
      const shown = inspect(key, { depth: null, showHidden: true }) + JSON.stringify(key);
      expect(shown).toContain(tenant);
      for (const form of ['utf8', 'hex', 'base64', 'base64url'] as const) {
        for (const bytes of [apiKey.bytes, kdfInput(apiKey)]) expect(shown).not.toContain(bytes.toString(form));
      }
      key.secret.fill(0);
      key.signingSecret.bytes().fill(0);
      expect([key.secret, key.signingSecret.bytes()]).toEqual([kdfInput(apiKey), signingSecretOf(apiKey)]);
    }
  });

  it('names the API key for caches: one name for each key, whatever id it came in', () => {
    const bytes = randomBytes(32);
    const keys: ApiKey[] = [
      { type: 'generated', bytes },
      { type: 'raw', bytes },
      { type: 'digest', bytes },
      { type: 'raw', bytes: Buffer.from(bytes.toString('base64url')) },
      generateApiKey(),
    ];
    const nameOf = (apiKey: ApiKey) => unsealAccessKeyId(seal(apiKey), sealKeys).secretId;
    expect(new Set(keys.map(nameOf)).size).toBe(5);
    for (const key of keys) expect(nameOf(key)).toBe(nameOf(key));
  });
});

it('refuses every change of one character, with one and the same error', () => {
  const id = seal(apiKeyFromText('x'.repeat(46)));
  let tried = 0;
  for (let at = 0; at < id.length; at += 1) {
    for (const other of ['A', 'B', 'z', '9', '-', '_', '=', '/', '+', ' ', '\u0000', 'é']) {
      if (id[at] === other) continue;
      expect(refusal(id.slice(0, at) + other + id.slice(at + 1))).toBe(REFUSED);
      tried += 1;
    }
  }
  expect(tried).toBeGreaterThan(11 * id.length);
  expect(REFUSED).toContain('InvalidAccessKeyId');
});

it('refuses every other length', () => {
  const id = seal(generateApiKey());
  const cut = Array.from({ length: id.length }, (_, length) => id.slice(0, length));
  const longer = ['A', '=', '==', 'AAAA', 'A'.repeat(20), 'A'.repeat(200)].map((tail) => id + tail);
  for (const text of [...cut, ...longer]) expect(refusal(text)).toBe(REFUSED);
  expect(cut.length).toBe(107);
});

it('refuses the unused bits of the last character', () => {
  const id = seal(apiKeyFromText('x'.repeat(46)));
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.indexOf(id.at(-1) ?? '');
  expect(last % 4).toBe(0);
  for (const bits of [1, 2, 3]) {
    const other = id.slice(0, -1) + alphabet[last + bits];
    expect(Buffer.from(other.slice(3), 'base64url')).toEqual(Buffer.from(id.slice(3), 'base64url'));
    expect(refusal(other)).toBe(REFUSED);
  }
});

describe('seal keys', () => {
  it('opens under any configured key, and no longer once it is gone', () => {
    const [a, b] = [new SealKey('a', randomBytes(32)), new SealKey('b', randomBytes(32))];
    const id = seal(generateApiKey(), new SealKeys([a]));
    expect(refusal(id, new SealKeys([b, a]))).toBe('opened');
    expect(refusal(id, new SealKeys([b]))).toBe(REFUSED);
  });

  it('tries every key with the tag of the id', () => {
    const secret = randomBytes(32);
    const kids = Array.from({ length: 1000 }, (_, index) => `k${index}`);
    const byTag = Map.groupBy(kids, (kid) => new SealKey(kid, secret).tag);
    const [first = '', second = ''] = [...byTag.values()].find((same) => same.length > 1) ?? [];
    const [a, b] = [new SealKey(first, randomBytes(32)), new SealKey(second, randomBytes(32))];
    expect(a.tag).toBe(b.tag);
    const ids = [a, b].map((key) => seal(generateApiKey(), new SealKeys([key])));
    for (const id of ids) expect(refusal(id, new SealKeys([a, b]))).toBe('opened');
  });

  it('binds the key id: the same secret under another kid does not open', () => {
    const secret = randomBytes(32);
    const kids = Array.from({ length: 1000 }, (_, index) => `k${index}`);
    const byTag = Map.groupBy(kids, (kid) => new SealKey(kid, secret).tag);
    const [first = '', second = ''] = [...byTag.values()].find((same) => same.length > 1) ?? [];
    const id = seal(generateApiKey(), new SealKeys([new SealKey(first, secret)]));
    expect(refusal(id, new SealKeys([new SealKey(second, secret)]))).toBe(REFUSED);
  });
});

it('will not seal a key of a length that its type does not have', () => {
  expect(() => seal({ type: 'raw', bytes: randomBytes(48) })).toThrow(TypeError);
  expect(() => seal({ type: 'raw', bytes: Buffer.alloc(0) })).toThrow(TypeError);
  expect(() => seal({ type: 'generated', bytes: randomBytes(31) })).toThrow(TypeError);
});
