// Protects what is put away once for a version: only the same version of the same name, for the same tenant, counts as known.
import { expect, test } from 'vitest';
import { RecentObjects } from '../../../proxy/object/recent-objects.ts';

const FACTS = {
  etag: '"e"',
  lastModified: 'Sun, 22 Nov 2026 20:30:08 GMT',
  versionId: undefined,
  size: 10,
  headers: {},
};
const ADDRESS = { bucket: 'b', key: 'k', versionId: undefined };

test('a version is known once it was remembered', () => {
  const recent = new RecentObjects();
  expect([recent.remember('t', ADDRESS, FACTS), recent.remember('t', ADDRESS, { ...FACTS })]).toEqual([false, true]);
});

test.each([
  ['ETag', { etag: '"f"' }],
  ['time', { lastModified: 'Sun, 22 Nov 2026 20:30:09 GMT' }],
  ['size', { size: 11 }],
  ['version', { versionId: 'v' }],
])('another %s is another version, and takes its place', (_, change) => {
  const recent = new RecentObjects();
  recent.remember('t', ADDRESS, FACTS);
  const other = { ...FACTS, ...change };
  expect([recent.remember('t', ADDRESS, other), recent.remember('t', ADDRESS, other)]).toEqual([false, true]);
  expect(recent.get('t', ADDRESS)).toEqual(other);
});

test.each([
  ['tenant', 'u', ADDRESS],
  ['bucket', 't', { ...ADDRESS, bucket: 'c' }],
  ['key', 't', { ...ADDRESS, key: 'l' }],
  ['version id', 't', { ...ADDRESS, versionId: 'v' }],
])('another %s is another object', (_, tenant, address) => {
  const recent = new RecentObjects();
  recent.remember('t', ADDRESS, FACTS);
  expect(recent.remember(tenant, address, FACTS)).toBe(false);
});

test('what is forgotten is not known', () => {
  const recent = new RecentObjects();
  recent.remember('t', ADDRESS, FACTS);
  recent.forget('t', ADDRESS);
  expect(recent.remember('t', ADDRESS, FACTS)).toBe(false);
});
