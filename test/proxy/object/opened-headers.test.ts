/**
 * Protects: a header is opened once and counts only for the very bytes, name and root key that it was opened with; whatever
 * differs is opened anew, and refused as ever.
 */

import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { newDataKey } from '../../../crypto/data-key.ts';
import { sealHeader } from '../../../crypto/header.ts';
import type { OpenTenant } from '../../../proxy/keyring/open-tenant.ts';
import { OpenedHeaders } from '../../../proxy/object/opened-headers.ts';
import { MiB } from '../../helpers/bytes.ts';

const ID = 'aa'.repeat(12);
const newRoot = () => createSecretKey(randomBytes(32));
const root = newRoot();
const address = { bucket: 'bucket', key: 'a b+ü%.txt' };

function tenant(o: { id?: string; roots?: ReadonlyMap<number, KeyObject> } = {}): OpenTenant {
  const { id = ID, roots = new Map([[1, root]]) } = o;
  const idBytes = Buffer.from(id, 'hex');
  return { id, idBytes, slot: 'bb'.repeat(4), grants: [], policy: null, epoch: 1, root: (epoch) => roots.get(epoch) };
}

function sealed(key: string = address.key) {
  const salt = randomBytes(32);
  const early = { size: 5, partSalt: salt, headers: [], metadata: [['color', 'blue']] as const };
  const late = { md5: randomBytes(16), partCount: 0, checksums: [] };
  const name = { tenant: Buffer.from(ID, 'hex'), bucket: address.bucket, key };
  return sealHeader({ root, epoch: 1, name, ...newDataKey(), layout: 0, attributes: { early, late } });
}

test('the same bytes under the same name open once', () => {
  const headers = new OpenedHeaders({ bytes: MiB });
  const stored = sealed();
  const first = headers.open(tenant(), address, stored);
  expect(headers.open(tenant(), address, { ...stored })).toBe(first);
  expect(first.early?.metadata).toEqual([['color', 'blue']]);
  expect(headers.size).toBe(1);
});

test('another key, bucket, tenant, or one changed character is refused although the header is known', () => {
  const headers = new OpenedHeaders({ bytes: MiB });
  const stored = sealed();
  headers.open(tenant(), address, stored);
  const flipped = (text: string) => (text.startsWith('A') ? 'B' : 'A') + text.slice(1);
  const attacks = [
    () => headers.open(tenant(), { ...address, key: 'other' }, stored),
    () => headers.open(tenant(), { ...address, bucket: 'other' }, stored),
    () => headers.open(tenant({ id: 'cc'.repeat(12) }), address, stored),
    () => headers.open(tenant(), address, { ...stored, 'enc-dek': flipped(stored['enc-dek']) }),
    () => headers.open(tenant(), address, { ...stored, 'enc-attrs': flipped(stored['enc-attrs'] ?? '') }),
    () => headers.open(tenant(), address, { ...stored, 'enc-attrs': sealed()['enc-attrs'] ?? '' }),
    () => headers.open(tenant(), address, { ...stored, 'enc-tenant': 'cc'.repeat(12) }),
  ];
  for (const attack of attacks) expect(attack).toThrowError(expect.objectContaining({ name: 'FormatError' }));
  expect(attacks).toHaveLength(7);
  expect(headers.size).toBe(1);
});

test('it does not outlive the epoch, nor serve a keyring with another root', () => {
  const headers = new OpenedHeaders({ bytes: MiB });
  const stored = sealed();
  headers.open(tenant(), address, stored);
  expect(() => headers.open(tenant({ roots: new Map() }), address, stored)).toThrowError(
    expect.objectContaining({ code: 'UNKNOWN_EPOCH' }),
  );
  expect(() => headers.open(tenant({ roots: new Map([[1, newRoot()]]) }), address, stored)).toThrowError(
    expect.objectContaining({ code: 'HEADER_REFUSED' }),
  );
});

test('memory is bounded', () => {
  const headers = new OpenedHeaders({ bytes: 40_000 });
  for (let i = 0; i < 50; i++) headers.open(tenant(), { ...address, key: `k${i}` }, sealed(`k${i}`));
  expect(headers.size).toBeGreaterThan(3);
  expect(headers.size).toBeLessThan(14);
});
