// Protects: a sealed secret, whatever its length, verifies the same SigV4 signatures as the secret itself.
import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import {
  apiKeyFromText,
  generateApiKey,
  kdfInput,
  secretAccessKeyOf,
  signingSecretOf,
} from '../../../../proxy/keyring/slots/api-key.ts';

const dateKey = (key: Buffer | string) => createHmac('sha256', key).update('20260601').digest('hex');

it('gives the date key of SigV4 for secrets of 1 to 200 bytes, but 48 to 60', () => {
  const types = new Map<string, number>();
  for (let length = 1; length <= 200; length += 1) {
    const secret = Array.from({ length }, (_, index) => String.fromCharCode(33 + ((index * 7 + length) % 94))).join('');
    if (length >= 48 && length <= 60) {
      expect(() => apiKeyFromText(secret)).toThrow(RangeError);
      types.set('refused', (types.get('refused') ?? 0) + 1);
      continue;
    }
    const key = apiKeyFromText(secret);
    expect(dateKey(signingSecretOf(key))).toBe(dateKey(`AWS4${secret}`));
    expect(key.bytes.length).toBe(key.type === 'digest' ? 32 : length);
    types.set(key.type, (types.get(key.type) ?? 0) + 1);
  }
  expect(Object.fromEntries(types)).toEqual({ raw: 47, refused: 13, digest: 140 });
});

it('counts bytes of UTF-8, not characters', () => {
  expect(apiKeyFromText('é'.repeat(23)).type).toBe('raw');
  expect(() => apiKeyFromText('é'.repeat(24))).toThrow(RangeError);
  expect(apiKeyFromText('é'.repeat(31)).type).toBe('digest');
  expect(() => apiKeyFromText('')).toThrow(RangeError);
});

it('uses the 43-character text of a generated key for SigV4 and for the KDF', () => {
  const key = generateApiKey();
  const text = secretAccessKeyOf(key);
  expect(text).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(dateKey(signingSecretOf(key))).toBe(dateKey(`AWS4${text}`));
  expect(kdfInput(key).toString()).toBe(text);
});

it('hands out copies, so that wiping one leaves the key whole', () => {
  const key = apiKeyFromText('some secret');
  kdfInput(key).fill(0);
  signingSecretOf(key).fill(0);
  expect(kdfInput(key).toString()).toBe('some secret');
});
