// Protects: verification finds one flipped bit in every piece that is stored of an object, in every layout, says which piece it is,
// and calls nothing damaged that is not.
import { randomBytes } from 'node:crypto';
import { CopyObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, test } from 'vitest';
import { LOCATOR_BYTES, sealedPartBytes } from '../../../crypto/layout.ts';
import type { Verdict } from '../../../proxy/verify/verdict.ts';
import { verifyObject } from '../../../proxy/verify/verify-object.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { KiB, MiB } from '../../helpers/bytes.ts';
import { openJobContext } from '../../helpers/job-context.ts';
import { type StoredCopy, storeDirectly, storedObject } from '../../helpers/stored.ts';
import { uploadParts } from './objects.ts';

const bench = sharedBench();
const parts = [randomBytes(5 * MiB), randomBytes(70_000)] as const;

const upload = (key: string, extra = {}, bodies: readonly Buffer[] = parts) =>
  uploadParts(bench.s3, { bucket: bench.bucket, key, parts: bodies, extra });

const put = (key: string, body: Buffer, o: object = {}) =>
  bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key: key, Body: body, ...o }));

async function look(key: string, depth: 'headers' | 'data' = 'data'): Promise<Verdict | undefined> {
  const context = await openJobContext(bench);
  return verifyObject(context, { bucket: bench.bucket, key }, { depth, pace: async () => {} });
}

/** The same with another body or metadata, for as long as it takes to look at it. */
async function lookAt(key: string, altered: Partial<StoredCopy>, depth?: 'headers' | 'data') {
  const whole = await storedObject(bench.backend, bench.bucket, key);
  const { body, metadata } = { ...whole, ...altered };
  await storeDirectly(bench.backend, { bucket: bench.bucket, key, body, metadata });
  try {
    return await look(key, depth);
  } finally {
    await storeDirectly(bench.backend, { bucket: bench.bucket, key, body: whole.body, metadata: whole.metadata });
  }
}

function flipped(body: Buffer, at: number): Buffer {
  const copy = Buffer.from(body);
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] ?? 0) ^ 0x10;
  return copy;
}

/** One bit of what the text encodes: the last character of base64 may hold bits that count for nothing. */
function flippedText(text: string, at = Math.floor(text.length / 2)): string {
  return text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
}

beforeAll(async () => {
  await put('empty', Buffer.alloc(0));
  await put('small', randomBytes(200 * KiB), { Metadata: { colour: 'blue' }, ChecksumAlgorithm: 'SHA256' });
  await put('other', randomBytes(200 * KiB), { Metadata: { colour: 'blue' } });
  await put('large', randomBytes(3 * MiB), { ChecksumAlgorithm: 'CRC64NVME' });
  await put('large2', randomBytes(3 * MiB), { ChecksumAlgorithm: 'CRC64NVME' });
  await upload('parts');
  await upload('composite', { ChecksumAlgorithm: 'SHA256' });
  await upload('full', { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' });
  await upload('one part', {}, [randomBytes(300)]);
  await upload('empty end', {}, [parts[0], Buffer.alloc(0)]);
  // Attributes that do not fit beside the object stand in its footer.
  await put('early in footer', randomBytes(10), { Metadata: { long: 'x'.repeat(1_900) } });
  const CopySource = `${bench.bucket}/parts`;
  const renewed = { CopySource, MetadataDirective: 'REPLACE' as const, Metadata: { new: 'yes' } };
  await bench.s3.send(new CopyObjectCommand({ Bucket: bench.bucket, Key: 'copied', ...renewed }));
  const other = { CopySource, ChecksumAlgorithm: 'SHA1' as const };
  await bench.s3.send(new CopyObjectCommand({ Bucket: bench.bucket, Key: 'checksummed', ...other }));
});

const WHOLE = [
  'empty',
  'small',
  'other',
  'large',
  'parts',
  'composite',
  'full',
  'one part',
  'empty end',
  'early in footer',
  'copied',
  'checksummed',
];

test.each(WHOLE)('%s is ok', async (key) => {
  expect(await look(key, 'headers')).toEqual({ state: 'ok', bytes: 0 });
  const size = { small: 200 * KiB, large: 3 * MiB, parts: 5 * MiB + 70_000 } as Record<string, number>;
  expect(await look(key)).toEqual({ state: 'ok', bytes: size[key] ?? expect.any(Number) });
});

const damaged = (piece: string, code: string) => ({ state: 'damaged', piece, code });

/** Offsets from the end of the pieces of a footer. */
function footer(body: Buffer) {
  const attributes = body.readUInt32BE(body.length - 8);
  const table = body.readUInt32BE(body.length - 4);
  return {
    locator: -LOCATOR_BYTES,
    attributes: -LOCATOR_BYTES - attributes,
    table: -LOCATOR_BYTES - attributes - table,
  };
}

describe('one bit of', () => {
  test.each(['small', 'large', 'parts', 'empty', 'composite'])('the metadata of %s', async (key) => {
    const { metadata } = await storedObject(bench.backend, bench.bucket, key);
    const names = Object.keys(metadata).filter((name) => name.startsWith('enc-'));
    expect(names.length).toBe(4);
    for (const name of names) {
      const altered = { ...metadata, [name]: flippedText(metadata[name] ?? '') };
      for (const depth of ['headers', 'data'] as const) {
        const verdict = await lookAt(key, { metadata: altered }, depth);
        const piece = name === 'enc-tenant' || name === 'enc-algo' ? 'metadata' : 'header';
        expect([name, verdict]).toMatchObject([name, { state: 'damaged', piece }]);
      }
      const { [name]: _, ...without } = metadata;
      expect([name, await lookAt(key, { metadata: without }, 'headers')]).toMatchObject([name, { state: 'damaged' }]);
    }
    // Nothing of ours left: a sealed body that passes for one that was never sealed.
    expect(await lookAt(key, { metadata: {} }, 'headers')).toMatchObject(
      damaged('metadata', 'MALFORMED_SEALED_OBJECT'),
    );
  });

  test.each([
    ['small', 0, 'PART_HEADER_REFUSED'],
    ['small', 20, 'PART_HEADER_REFUSED'],
    ['small', 48, 'SEGMENT_REFUSED'],
    ['small', 100_000, 'SEGMENT_REFUSED'],
    ['small', -1, 'SEGMENT_REFUSED'],
    ['empty', -1, 'SEGMENT_REFUSED'],
    ['large', 10, 'PART_HEADER_REFUSED'],
    ['large', 2_000_000, 'SEGMENT_REFUSED'],
    ['parts', 47, 'PART_HEADER_REFUSED'],
    ['parts', 3_000_000, 'SEGMENT_REFUSED'],
    ['parts', sealedPartBytes(5 * MiB), 'PART_HEADER_REFUSED'],
    ['parts', sealedPartBytes(5 * MiB) + 60_000, 'SEGMENT_REFUSED'],
    ['empty end', sealedPartBytes(5 * MiB) + 50, 'SEGMENT_REFUSED'],
    ['early in footer', 50, 'SEGMENT_REFUSED'],
  ])('the body of %s at %i', async (key, at, code) => {
    const { body } = await storedObject(bench.backend, bench.bucket, key);
    expect(await lookAt(key, { body: flipped(body, at) }, 'data')).toMatchObject(damaged('body', code));
    expect(await lookAt(key, { body: flipped(body, at) }, 'headers')).toEqual({ state: 'ok', bytes: 0 });
  });

  test('a part says which part', async () => {
    const { body } = await storedObject(bench.backend, bench.bucket, 'parts');
    const verdict = await lookAt('parts', { body: flipped(body, sealedPartBytes(5 * MiB) + 60_000) });
    expect(verdict).toMatchObject({ message: expect.stringContaining('(part 2)'), bytes: 5 * MiB });
  });

  test.each(['large', 'parts', 'composite', 'full', 'empty end'])('every piece of the footer of %s', async (key) => {
    const { body } = await storedObject(bench.backend, bench.bucket, key);
    const at = footer(body);
    for (const depth of ['headers', 'data'] as const) {
      const lookWith = (offset: number) => lookAt(key, { body: flipped(body, offset) }, depth);
      expect(await lookWith(at.locator)).toMatchObject(damaged('footer', 'LOCATOR_MALFORMED'));
      for (const offset of [at.attributes, at.attributes + 40, at.locator - 1]) {
        expect(await lookWith(offset)).toMatchObject(damaged('attributes', 'ATTRIBUTES_REFUSED'));
      }
      expect(await lookWith(-5)).toMatchObject({ state: 'damaged' });
      expect(await lookWith(-1)).toMatchObject({ state: 'damaged' });
      if (at.table === at.attributes) continue;
      for (const offset of [at.table, at.attributes - 1]) {
        expect(await lookWith(offset)).toMatchObject(damaged('part table', 'TABLE_REFUSED'));
      }
    }
  });

  test.each(['large', 'parts', 'one part', 'early in footer'])('the pad of %s', async (key) => {
    const { body } = await storedObject(bench.backend, bench.bucket, key);
    const { table } = footer(body);
    expect(body.at(table - 1)).toBe(0);
    expect(await lookAt(key, { body: flipped(body, table - 1) })).toMatchObject(damaged('pad', 'PAD_REFUSED'));
  });
});

describe('the length of', () => {
  test.each(['small', 'large', 'parts', 'empty', 'one part'])('%s, cut or longer', async (key) => {
    const { body } = await storedObject(bench.backend, bench.bucket, key);
    const cuts = [body.subarray(0, -1), body.subarray(0, body.length >> 1), body.subarray(0, 30), Buffer.alloc(0)];
    const inside = Buffer.concat([body.subarray(0, 60), body.subarray(61)]);
    for (const altered of [...cuts, inside, Buffer.concat([body, Buffer.from([0])]), Buffer.concat([body, body])]) {
      expect(await lookAt(key, { body: altered }, 'headers')).toMatchObject({ state: 'damaged' });
    }
  });
});

describe('objects that were exchanged', () => {
  test.each([
    ['small', 'other'],
    ['large', 'large2'],
    ['parts', 'composite'],
  ])('%s and %s', async (a, b) => {
    const [one, two] = [
      await storedObject(bench.backend, bench.bucket, a),
      await storedObject(bench.backend, bench.bucket, b),
    ];
    expect(await lookAt(a, two, 'headers')).toMatchObject(damaged('header', 'HEADER_REFUSED'));
    expect(await lookAt(a, { metadata: two.metadata }, 'headers')).toMatchObject(damaged('header', 'HEADER_REFUSED'));
    expect(await lookAt(a, { body: two.body }, 'data')).toMatchObject({ state: 'damaged' });
    expect(await lookAt(b, one, 'data')).toMatchObject({ state: 'damaged' });
  });
});

describe('what is not damaged', () => {
  test('an object that was never sealed, however it begins', async () => {
    for (const [key, body] of Object.entries({ plain: 'text', nothing: '', bytes: randomBytes(100) })) {
      await storeDirectly(bench.backend, { bucket: bench.bucket, key, body, metadata: { colour: 'red' } });
      expect([key, await look(key)]).toEqual([key, { state: 'legacy' }]);
    }
  });

  test("another tenant's object, one that is gone, one that is archived, one of a root key that was given up", async () => {
    const other = bench.proxy.client(await bench.proxy.createTenant());
    await other.send(new PutObjectCommand({ Bucket: bench.bucket, Key: 'theirs', Body: 'x' }));
    other.destroy();
    expect(await look('theirs')).toEqual({ state: 'foreign' });
    expect(await look('never there')).toBeUndefined();
    bench.backend.intercept = async (request, next) => {
      const answer = await next(request);
      const isHead = request.method === 'HEAD' && request.key === 'small';
      return isHead ? { ...answer, headers: { ...answer.headers, 'x-amz-storage-class': 'GLACIER' } } : answer;
    };
    expect([await look('small'), await look('small', 'headers')]).toEqual([
      { state: 'archived' },
      { state: 'ok', bytes: 0 },
    ]);
    bench.backend.intercept = (request, next) => next(request);
    const context = await openJobContext(bench);
    const tenant = { ...context.tenant, root: () => undefined };
    const address = { bucket: bench.bucket, key: 'small' };
    const verdict = await verifyObject({ ...context, tenant }, address, { depth: 'headers', pace: async () => {} });
    expect(verdict).toEqual({ state: 'no-key' });
  });

  test('an object that is replaced while it is read', async () => {
    let replaced = false;
    bench.backend.intercept = async (request, next) => {
      if (request.method === 'GET' && request.key === 'large' && !replaced) {
        replaced = true;
        await put('large', randomBytes(2 * MiB));
      }
      return next(request);
    };
    expect(await look('large')).toEqual({ state: 'ok', bytes: 2 * MiB });
    expect(replaced).toBe(true);
    bench.backend.intercept = (request, next) => next(request);
  });
});

test('what was looked at before is not believed', async () => {
  expect(await look('parts')).toMatchObject({ state: 'ok' });
  const { body, metadata } = await storedObject(bench.backend, bench.bucket, 'parts');
  const { attributes } = footer(body);
  const context = await openJobContext(bench);
  const address = { bucket: bench.bucket, key: 'parts' };
  const o = { depth: 'headers', pace: async () => {} } as const;
  expect(await verifyObject(context, address, o)).toMatchObject({ state: 'ok' });
  // The store says that it is the same version still.
  const alteredBody = flipped(body, attributes + 30);
  const first = await storedObject(bench.backend, bench.bucket, 'parts');
  await storeDirectly(bench.backend, { bucket: bench.bucket, key: 'parts', body: alteredBody, metadata });
  bench.backend.intercept = async (request, next) => {
    const { 'if-match': _, ...headers } = request.headers ?? {};
    const answer = await next({ ...request, headers });
    const { etag = '', 'last-modified': time = '' } = first.headers;
    return request.key === 'parts'
      ? { ...answer, headers: { ...answer.headers, etag, 'last-modified': time } }
      : answer;
  };
  expect(await verifyObject(context, address, o)).toMatchObject(damaged('attributes', 'ATTRIBUTES_REFUSED'));
  bench.backend.intercept = (request, next) => next(request);
  await storeDirectly(bench.backend, { bucket: bench.bucket, key: 'parts', body, metadata });
});

test.each([
  ['small', 1, 2],
  ['large', 2, 3],
  ['parts', 3, 4],
])('%s costs %i requests by header, and %i by byte', async (key, byHeader, byByte) => {
  const { requests: few } = await bench.watch(() => look(key, 'headers'));
  const { requests: many } = await bench.watch(() => look(key));
  expect([few.length, many.length]).toEqual([byHeader, byByte]);
});
