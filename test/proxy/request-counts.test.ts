/**
 * What each operation costs at the backend, with the keyring at hand: the requests in order. A table is printed; a change of
 * it is a change of latency and of the bill, and has to be meant.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Bench, openBench } from '../helpers/bench.ts';
import { md5Header, objectPath, type RawRequest } from '../helpers/raw-client.ts';
import type { WatchedRequest } from '../helpers/watched-backend.ts';

let bench: Bench;
const table: string[] = [];

beforeAll(async () => {
  bench = await openBench();
  // The first requests open the keyring, and read the bucket's record.
  await bench.send({ method: 'PUT', path: objectPath(bench.bucket, 'first'), body: '' });
});

afterAll(async () => {
  console.log(`Backend requests per operation\n${table.join('\n')}`);
  await bench.close();
});

const SMALL = randomBytes(200_000);
const LARGE = randomBytes(1_500_000);
const object = (key: string) => objectPath(bench.bucket, key);

function described({ method, headers }: WatchedRequest): string {
  const range = headers['range'];
  return range === undefined ? method : `${method}(${range.startsWith('bytes=-') || isTail(range) ? 'tail' : 'range'})`;
}

/** The footer is fetched with the last 8 KiB; ranges of the tests are not that long. */
function isTail(range: string): boolean {
  const [start = 0, end = 0] = (/(\d+)-(\d+)/.exec(range) ?? []).slice(1).map(Number);
  return end - start + 1 === 8192;
}

async function expectRequests(name: string, request: RawRequest, wanted: string): Promise<void> {
  const mark = bench.backend.requests.length;
  const reply = await bench.send(request);
  expect([name, reply.status < 400], reply.body.toString()).toEqual([name, true]);
  const made = bench.backend.requests.slice(mark);
  expect([name, made.map(described).join(' ')]).toEqual([name, wanted]);
  table.push(`  ${name.padEnd(44)} ${String(made.length).padStart(2)}  ${made.map(described).join(' ')}`);
}

test('writes', async () => {
  await expectRequests('PUT small', { method: 'PUT', path: object('small'), body: SMALL }, 'PUT');
  await expectRequests(
    'PUT small, 2 KB of metadata',
    { method: 'PUT', path: object('meta'), headers: [['x-amz-meta-a', 'x'.repeat(2000)]], body: SMALL },
    'PUT',
  );
  await expectRequests('PUT large', { method: 'PUT', path: object('large'), body: LARGE }, 'PUT');
  await expectRequests(
    'PUT If-None-Match: *',
    { method: 'PUT', path: object('new'), headers: [['if-none-match', '*']], body: SMALL },
    'PUT',
  );
  await expectRequests(
    'PUT If-Match',
    { method: 'PUT', path: object('new'), headers: [['if-match', '*']], body: SMALL },
    'HEAD PUT',
  );
  await expectRequests('DELETE', { method: 'DELETE', path: object('new') }, 'DELETE');
  const body = `<Delete>${Array.from({ length: 100 }, (_, i) => `<Object><Key>k${i}</Key></Object>`).join('')}</Delete>`;
  await expectRequests(
    'DeleteObjects of 100',
    { method: 'POST', path: `/${bench.bucket}`, query: 'delete', headers: [md5Header(body)], body },
    'POST',
  );
});

test('reads of a small object', async () => {
  const path = object('small');
  await expectRequests('GET small', { method: 'GET', path }, 'GET');
  await expectRequests('GET small, again', { method: 'GET', path }, 'GET');
  await expectRequests('HEAD small', { method: 'HEAD', path }, 'HEAD');
  await expectRequests('GET small, range', { method: 'GET', path, headers: [['range', 'bytes=1-2']] }, 'GET(range)');
  await expectRequests(
    'GET small, If-None-Match: a 304',
    { method: 'GET', path, headers: [['if-none-match', '*']] },
    'HEAD',
  );
});

test('reads of a large object', async () => {
  const path = object('large');
  await expectRequests('GET large, first', { method: 'GET', path }, 'GET GET(tail)');
  await expectRequests('GET large, again', { method: 'GET', path }, 'GET');
  await expectRequests('HEAD large, again', { method: 'HEAD', path }, 'HEAD');
  await expectRequests(
    'GET large, range, again',
    { method: 'GET', path, headers: [['range', 'bytes=70000-80000']] },
    'GET(range)',
  );
  await bench.send({ method: 'PUT', path, body: LARGE });
  await expectRequests('HEAD large, first', { method: 'HEAD', path }, 'HEAD GET(tail)');
  await bench.send({ method: 'PUT', path, body: LARGE });
  await expectRequests(
    'GET large, range, first',
    { method: 'GET', path, headers: [['range', 'bytes=70000-80000']] },
    'HEAD GET(tail) GET(range)',
  );
});

test('listings look each row up once', async () => {
  for (const name of ['a', 'b', 'c']) await bench.send({ method: 'PUT', path: object(`list/${name}`), body: SMALL });
  await bench.send({ method: 'PUT', path: object('list/large'), body: LARGE });
  const list: RawRequest = { method: 'GET', path: `/${bench.bucket}`, query: 'list-type=2&prefix=list%2F' };
  await expectRequests('LIST of 3 small and 1 large, first', list, 'GET HEAD HEAD HEAD GET(tail)');
  await expectRequests('LIST of 4, again', list, 'GET');
  await bench.send({ method: 'PUT', path: object('list/b'), body: SMALL });
  await expectRequests('LIST of 4, one replaced', list, 'GET HEAD');
  await expectRequests('HEAD bucket', { method: 'HEAD', path: `/${bench.bucket}` }, 'HEAD');
  await expectRequests('ListBuckets', { method: 'GET', path: '/' }, 'GET');
});

test('a refused request costs the backend nothing', async () => {
  const mark = bench.backend.requests.length;
  const wrong = { ...bench.tenant, secretAccessKey: 'wrong' };
  expect((await bench.send({ method: 'GET', path: object('small') }, wrong)).status).toBe(403);
  const forged = { ...bench.tenant, accessKeyId: `${bench.tenant.accessKeyId.slice(0, -4)}AAAA` };
  expect((await bench.send({ method: 'GET', path: object('small') }, forged)).status).toBe(403);
  expect(bench.backend.requests.length).toBe(mark);
});
