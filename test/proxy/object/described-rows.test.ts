/**
 * Protects: at a store that shows metadata in listings, a page is two requests and not one for each row; what it shows is what
 * the rows looked up one by one show; and what the store shows wrongly, late, or not at all never shows in a listing.
 */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type BackendResponse, BackendUnavailable } from '../../../proxy/backend/backend.ts';
import { parseListV2 } from '../../../proxy/backend/list.ts';
import { readBody } from '../../../proxy/backend/read-body.ts';
import { renderXml, type XmlElement } from '../../../proxy/xml/render-xml.ts';
import { queryValue } from '../../helpers/backend-reply.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { objectPath, type RawReply } from '../../helpers/raw-client.ts';
import { openReplica, type Replica } from '../../helpers/uploads.ts';
import { userMetadata } from '../../helpers/user-metadata.ts';

const ROWS = 40;
const keys = Array.from({ length: ROWS }, (_, i) => `row/a b+\u00fc%${String(i).padStart(3, '0')}`);
/** Besides small ones: empty, exactly as much as goes into a header, one byte more, parts of the rest. */
const sizes = [0, 1, 1_048_576, 1_048_577, 3_000_000];

const bench = sharedBench();
let plain: Replica;
let able: Replica;
beforeAll(async () => {
  for (const [index, key] of keys.entries()) {
    const body = randomBytes(sizes[index] ?? 1_000 + index);
    const headers = index % 7 === 0 ? [['x-amz-meta-long', 'v'.repeat(1_900)] as const] : [];
    expect((await bench.send({ method: 'PUT', path: objectPath(bench.bucket, key), body, headers })).status).toBe(200);
  }
  const legacy = { method: 'PUT', bucket: bench.bucket, key: 'row/legacy', body: Buffer.alloc(500, 'x') } as const;
  await bench.backend.inner.send({ ...legacy, signal: AbortSignal.timeout(60_000) });
});

/** Two processes with nothing in their caches but the caller's keyring: one at a store that shows metadata, one not. */
beforeEach(async () => {
  bench.backend.intercept = (request, next) => next(request);
  plain = await openReplica(bench);
  able = await openReplica({ ...bench, capabilities: { ...bench.capabilities, listsMetadata: true } });
  for (const { send } of [plain, able]) await send({ method: 'HEAD', path: `/${bench.bucket}` });
  return () => Promise.all([plain.proxy.close(), able.proxy.close()]);
});

interface Shown {
  key: string;
  etag: string;
  lastModified: string;
  metadata: Record<string, string> | undefined;
}

/** From now on the store shows metadata where it is asked to, each row as `change` leaves it. */
function showing(change: (row: Shown) => Shown = (row) => row): void {
  bench.backend.intercept = async (request, next) => {
    if (queryValue(request, 'metadata') === undefined) return next(request);
    const query = (request.query ?? []).filter(([name]) => name !== 'metadata');
    const page = parseListV2(await readBody(await next({ ...request, query }), { maxBytes: 1e7 }));
    const rows = await Promise.all(
      page.objects.map(async (row): Promise<XmlElement> => {
        const { headers } = await next({ ...request, method: 'HEAD', key: row.key, query: [] });
        const shown = change({
          key: row.key,
          etag: row.etag,
          lastModified: row.lastModified.toISOString(),
          metadata: { 'content-type': 'application/octet-stream', ...userMetadata(headers) },
        });
        const { metadata, ...rest } = shown;
        return {
          Key: encodeURIComponent(rest.key),
          LastModified: rest.lastModified,
          ETag: rest.etag,
          Size: row.size,
          UserMetadata: metadata,
        };
      }),
    );
    const document = renderXml('ListBucketResult', { EncodingType: 'url', IsTruncated: false, Contents: rows });
    return replyOf(200, Buffer.from(document));
  };
}

const list = (replica: Replica, query = 'list-type=2&prefix=row%2F'): Promise<RawReply> =>
  replica.send({ method: 'GET', path: `/${bench.bucket}`, query });

async function listed(replica: Replica, query?: string): Promise<{ page: string; lookUps: number; pages: number }> {
  const { result, requests } = await bench.watch(() => list(replica, query));
  expect(result.status).toBe(200);
  const pages = requests.filter(({ method, key }) => method === 'GET' && key === '').length;
  return { page: result.body.toString(), lookUps: requests.length - pages, pages };
}

test('a page is two requests, but for large objects, those with much metadata, and what is not encrypted', async () => {
  const { page: expected, lookUps: one } = await listed(plain);
  expect(one).toBeGreaterThanOrEqual(ROWS);
  showing();
  const { page, lookUps, pages } = await listed(able);
  expect(page).toBe(expected);
  expect(page.match(/<Contents>/g)).toHaveLength(ROWS + 1);
  expect(pages).toBe(2);
  expect(lookUps).toBeLessThan(15);
  // What is known is not asked for again.
  expect(await listed(able)).toEqual({ page: expected, lookUps: 0, pages: 1 });
});

test.each(['', '&marker=row%2Fa%20b', '&delimiter=%2F&max-keys=30', '&marker=row%2Fa%20b%2B%C3%BC%25010'])(
  'so it is by the first version of listings: prefix=row/%s',
  async (more) => {
    const query = `prefix=row%2F${more}`;
    const { page: expected } = await listed(plain, query);
    showing();
    const { page, lookUps, pages } = await listed(able, query);
    expect(page).toBe(expected);
    expect([pages, lookUps < 15]).toEqual([2, true]);
  },
);

describe('what is shown wrongly is looked up, or shown as it is when looked up', () => {
  const wrong: [string, (row: Shown) => Shown][] = [
    ['nothing', (row) => ({ ...row, metadata: undefined })],
    ['another ETag', (row) => ({ ...row, etag: '"00000000000000000000000000000000"' })],
    ['another time', (row) => ({ ...row, lastModified: '2001-01-01T00:00:00.000Z' })],
    ['other keys', (row) => ({ ...row, key: `${row.key}x` })],
    ['no algorithm', (row) => ({ ...row, metadata: { ...row.metadata, 'X-Amz-Meta-Enc-Algo': '' } })],
  ];
  test.each(wrong)('%s', async (_, change) => {
    const { page: expected, lookUps: one } = await listed(plain);
    showing(change);
    const { page, lookUps } = await listed(able);
    expect(page).toBe(expected);
    expect(lookUps).toBe(one);
  });

  const forged: [string, (row: Shown, of: (key: string) => Record<string, string> | undefined) => Shown][] = [
    ['the metadata of another object', (row, of) => ({ ...row, metadata: of(keys[10] ?? '') })],
    [
      'attributes that were altered',
      (row) => ({
        ...row,
        metadata: { ...row.metadata, 'X-Amz-Meta-Enc-Attrs': altered(row.metadata?.['X-Amz-Meta-Enc-Attrs']) },
      }),
    ],
    [
      'a data key that was altered',
      (row) => ({
        ...row,
        metadata: { ...row.metadata, 'X-Amz-Meta-Enc-Dek': altered(row.metadata?.['X-Amz-Meta-Enc-Dek']) },
      }),
    ],
  ];
  test("another tenant's id: never under an ETag that looks like an MD5", async () => {
    const { page: expected } = await listed(plain);
    const forgedKey = keys[20] ?? '';
    const forge = (row: Shown): Shown => ({
      ...row,
      metadata: { ...row.metadata, 'X-Amz-Meta-Enc-Tenant': altered(row.metadata?.['X-Amz-Meta-Enc-Tenant']) },
    });
    showing((row) => (row.key === forgedKey ? forge(row) : row));
    const { page } = await listed(able);
    const changed = page.split('<Contents>').filter((row, i) => row !== expected.split('<Contents>')[i]);
    expect(changed).toHaveLength(1);
    expect(changed[0]).toMatch(/<ETag>[^<]*-1[^<]*<\/ETag>/);
  });

  test.each(forged)('%s: never under an ETag that looks like an MD5, and not for good', async (_, change) => {
    const { page: expected } = await listed(plain);
    const seen = new Map<string, Record<string, string> | undefined>();
    showing((row) => {
      seen.set(row.key, row.metadata);
      return row;
    });
    const other = await openReplica({ ...bench, capabilities: { ...bench.capabilities, listsMetadata: true } });
    await listed(other);
    await other.proxy.close();
    const forgedKey = keys[20] ?? '';
    showing((row) => (row.key === forgedKey ? change(row, (key) => seen.get(key)) : row));
    const { page } = await listed(able);
    const changed = page.split('<Contents>').filter((row, i) => row !== expected.split('<Contents>')[i]);
    expect(changed).toHaveLength(1);
    expect(changed[0]).toMatch(/<ETag>[^<]*-1[^<]*<\/ETag>/);
    expect(able.proxy.log.some(({ securityEvent }) => securityEvent !== undefined)).toBe(true);
    // The store shows the truth again.
    showing();
    expect((await listed(able)).page).toBe(expected);
  });
});

describe('where the page with metadata is not to be had, the rows are looked up', () => {
  const failures: [string, () => BackendResponse | Promise<never>][] = [
    ['refused', () => replyOf(403, Buffer.from('<Error><Code>AccessDenied</Code></Error>'))],
    ['no document', () => replyOf(200, Buffer.from('not XML'))],
    ['another document', () => replyOf(200, Buffer.from('<A/>'))],
    ['no answer', () => Promise.reject(new BackendUnavailable('reset'))],
  ];
  test.each(failures)('%s', async (_, failing) => {
    const { page: expected } = await listed(plain);
    bench.backend.intercept = async (request, next) =>
      queryValue(request, 'metadata') !== undefined ? failing() : next(request);
    expect((await listed(able)).page).toBe(expected);
  });
});

test('a few unknown rows are looked up, and what is asked for with the page is asked for with its metadata', async () => {
  showing();
  await listed(able);
  const path = objectPath(bench.bucket, keys[9] ?? '');
  await bench.send({ method: 'PUT', path, body: randomBytes(77) });
  const { pages, lookUps, page } = await listed(able);
  expect([pages, lookUps]).toEqual([1, 1]);
  expect(page).toContain('<Size>77</Size>');
  const asked: unknown[] = [];
  const inner = bench.backend.intercept;
  bench.backend.intercept = (request, next) => {
    if (queryValue(request, 'list-type') !== undefined) asked.push(new Map(request.query));
    return inner(request, next);
  };
  const other = await openReplica({ ...bench, capabilities: { ...bench.capabilities, listsMetadata: true } });
  await list(other, 'list-type=2&prefix=row%2Fa&delimiter=%2F&start-after=row%2Fa%20b&max-keys=30');
  await other.proxy.close();
  expect(asked).toHaveLength(2);
  const [first, second] = asked as [Map<string, string>, Map<string, string>];
  expect([...second]).toEqual([...first, ['metadata', 'true']]);
});

function replyOf(status: number, document: Buffer): BackendResponse {
  return {
    status,
    headers: { 'content-type': 'application/xml' },
    body: Readable.from([document], { objectMode: false }),
  };
}

function altered(text = ''): string {
  const at = Math.floor(text.length / 2);
  return `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
}
