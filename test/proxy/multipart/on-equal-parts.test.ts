/**
 * Protects multipart uploads on a store that wants parts of one size, as R2 does, and that is strict about all else. The smallest
 * part is made small here.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { sealedPartBytes } from '../../../crypto/layout.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { PARTS_STORE_CAPABILITIES, PartsStore } from '../../helpers/parts-store.ts';
import { type StrictBackend, strictBackend } from '../../helpers/strict-backend.ts';
import { beginUpload, type Listed, MIN_PART, outcome } from '../../helpers/uploads.ts';
import { multipartSuite } from './suite.ts';

vi.mock('../../../proxy/limits.ts', async (original) => ({
  ...(await original<typeof import('../../../proxy/limits.ts')>()),
  MIN_PART_BYTES: 70_000,
}));

describe('on a store of equal parts that is strict', () => {
  let bench: Bench;
  let strict: StrictBackend;
  beforeAll(async () => {
    strict = strictBackend(new PartsStore(), { equalParts: true, minPartBytes: MIN_PART });
    const store = { backend: strict, close: () => strict.close() };
    bench = await openBench({ store, capabilities: { ...PARTS_STORE_CAPABILITIES, equalParts: true } });
  });
  afterAll(async () => {
    await bench.close();
    expect(strict.violations).toEqual([]);
    expect(strict.overMinioMetadata).toEqual([]);
  });

  it('looks at the receipts of part 1 alone before it stores a part: an upload may have thousands', async () => {
    const body = randomBytes(MIN_PART);
    const upload = await beginUpload(bench, 'many');
    for (const number of [1, 2, 3]) await upload.put(number, body);
    const mark = bench.backend.requests.length;
    await upload.put(4, body);
    const listings = bench.backend.requests.slice(mark).flatMap(({ query }) => query['prefix'] ?? []);
    await upload.abort();
    expect(listings.map((prefix) => prefix.split('/').slice(2).join('/'))).toEqual(['receipts/00001-']);
  });

  it('refuses a middle part of another size, as the store does, and takes equal ones in its place', async () => {
    const bodies = [0, 1, 2].map((at) => randomBytes(MIN_PART + (at === 1 ? 100 : 0)));
    const upload = await beginUpload(bench, 'unequal');
    const listed: Listed[] = [];
    for (const [at, body] of bodies.entries()) listed.push(await upload.put(at + 1, body));
    expect(outcome(await upload.complete(listed))).toBe('400 InvalidPart');
    listed[1] = await upload.put(2, bodies[0] ?? Buffer.alloc(0));
    expect(outcome(await upload.complete(listed))).toBe('200');
  });

  it('is sent the end in pieces of its size, also when the first listed part was staged', async () => {
    const body = randomBytes(MIN_PART);
    const upload = await beginUpload(bench, 'from the second');
    const listed = [await upload.put(2, body), await upload.put(3, body)];
    const { result, requests } = await bench.watch(() => upload.complete(listed));
    expect(outcome(result)).toBe('200');
    const sizes = requests.filter(({ query }) => 'partNumber' in query).map(({ bodyBytes }) => bodyBytes);
    expect(sizes.slice(0, 2)).toEqual([sealedPartBytes(MIN_PART), sealedPartBytes(MIN_PART)]);
    expect(sizes).toHaveLength(3);
  });

  it('has no number left for the end behind a whole part 10,000', async () => {
    const body = randomBytes(MIN_PART);
    const upload = await beginUpload(bench, 'no room');
    const listed = [await upload.put(9_999, body), await upload.put(10_000, body)];
    expect(outcome(await upload.complete(listed))).toBe('400 InvalidRequest');
    expect(outcome(await upload.complete(listed.slice(0, 1)))).toBe('200');
  });

  multipartSuite(() => bench, { equalParts: true, wrongUploadListings: true, withoutTags: true });
});
