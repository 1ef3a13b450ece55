/**
 * Protects what operations cost: how many requests each makes to the backend, with nothing cached and with everything cached, as
 * docs/requests.md has it. With UPDATE_DOCS=1 in the environment the page's table is written anew.
 */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { type Header, objectPath, type RawReply, type RawRequest } from '../../helpers/raw-client.ts';
import { beginUpload, type Listed, MIN_PART, openReplica, type Replica, type Upload } from '../../helpers/uploads.ts';
import type { WatchedRequest } from '../../helpers/watched-backend.ts';

const PAGE = new URL('../../../docs/requests.md', import.meta.url);
const SMALL = randomBytes(1024);
const LARGE = randomBytes(2 * 1024 * 1024);
const PART = randomBytes(MIN_PART);
const ROWS = 1000;

let bench: Bench;
let replica: Replica;
const rows: string[] = [];
beforeAll(async () => {
  // Time stands still: no key is checked again in between.
  const now = new Date();
  bench = await openBench({ now: () => now });
});
afterAll(async () => {
  await replica?.proxy.close();
  await bench.close();
});

/** Another process, with nothing in its caches but the caller's keyring. */
async function cold(): Promise<void> {
  await replica?.proxy.close();
  replica = await openReplica(bench);
  await replica.send({ method: 'HEAD', path: `/${bench.bucket}` });
}

const ask = (o: Omit<RawRequest, 'path'> & { key?: string; path?: string }): Promise<RawReply> => {
  const { key, path = objectPath(bench.bucket, key ?? ''), ...rest } = o;
  return replica.send({ path, ...rest });
};

async function measured(work: () => Promise<RawReply>): Promise<string> {
  const mark = bench.backend.requests.length;
  const reply = await work();
  expect([reply.status < 300, reply.code]).toEqual([true, '']);
  return summary(bench.backend.requests.slice(mark));
}

/** `3: HEAD, 2 x GET range`, in the order of the first of each. */
function summary(requests: readonly WatchedRequest[]): string {
  const counts = new Map<string, number>();
  for (const request of requests) counts.set(labelOf(request), (counts.get(labelOf(request)) ?? 0) + 1);
  const parts = [...counts].map(([label, count]) =>
    count === 1 ? label : `${count.toLocaleString('en-US')} x ${label}`,
  );
  return `${requests.length.toLocaleString('en-US')}: ${parts.join(', ')}`;
}

function labelOf({ method, bucket, key, query, headers }: WatchedRequest): string {
  const where = bucket === 'sealgate-state' ? ' (state)' : '';
  const what = () => {
    if (key === '') return 'delete' in query ? 'DeleteObjects' : method === 'GET' ? 'LIST' : method;
    if ('uploads' in query) return 'CreateMultipartUpload';
    if ('partNumber' in query) return 'UploadPart';
    if ('uploadId' in query)
      return { GET: 'ListParts', POST: 'CompleteMultipartUpload' }[method] ?? 'AbortMultipartUpload';
    if (headers['x-amz-copy-source'] !== undefined) return 'CopyObject';
    return headers['range'] === undefined ? method : `${method} range`;
  };
  return what() + where;
}

/** One row of the table. Without a second text the operation has nothing to find in a cache. */
async function row(name: string, work: () => Promise<RawReply>, o: { warm: boolean } = { warm: false }): Promise<void> {
  const first = await measured(work);
  const second = o.warm ? await measured(work) : '';
  rows.push(`| ${name} | ${first} | ${second === first ? 'the same' : second} |`);
}

const range = (text: string): Header[] => [['range', `bytes=${text}`]];

async function objects(): Promise<void> {
  await cold();
  await row('PUT up to 1 MiB', () => ask({ method: 'PUT', key: 'small', body: SMALL }));
  await row('PUT over 1 MiB', () => ask({ method: 'PUT', key: 'large', body: LARGE }));
  await row('PUT, If-None-Match', () =>
    ask({ method: 'PUT', key: 'new', body: SMALL, headers: [['if-none-match', '*']] }),
  );
  await row('HEAD up to 1 MiB', () => ask({ method: 'HEAD', key: 'small' }), { warm: true });
  await row('GET up to 1 MiB', () => ask({ method: 'GET', key: 'small' }), { warm: true });
  await cold();
  await row('GET up to 1 MiB, a range', () => ask({ method: 'GET', key: 'small', headers: range('1-9') }), {
    warm: true,
  });
  await row('HEAD over 1 MiB', () => ask({ method: 'HEAD', key: 'large' }), { warm: true });
  await cold();
  await row('GET over 1 MiB', () => ask({ method: 'GET', key: 'large' }), { warm: true });
  await cold();
  await row('GET over 1 MiB, a range', () => ask({ method: 'GET', key: 'large', headers: range('1-9') }), {
    warm: true,
  });
  const source: Header[] = [['x-amz-copy-source', `${bench.bucket}/large`]];
  await row('CopyObject over 1 MiB', () => ask({ method: 'PUT', key: 'copy', headers: source }), { warm: true });
  await row('DELETE', () => ask({ method: 'DELETE', key: 'copy' }));
}

async function uploads(): Promise<void> {
  await cold();
  let upload: Upload | undefined;
  const own = () => {
    if (upload === undefined) throw new Error('there is no upload');
    return upload;
  };
  await row('CreateMultipartUpload', async () => {
    const reply = await ask({ method: 'POST', key: 'parts', query: 'uploads=' });
    return reply;
  });
  upload = await beginUpload({ ...bench, send: replica.send }, 'parts');
  await row('UploadPart, 5 MiB and more', () => own().part(1, PART), { warm: true });
  await row('UploadPart, under 5 MiB', () => own().part(2, SMALL));
  await row('UploadPartCopy over 1 MiB', () => own().copy(3, `${bench.bucket}/large`), { warm: true });
  await row('ListParts', () => own().list(), { warm: true });
  await row('AbortMultipartUpload', () => own().abort());
  upload = await beginUpload({ ...bench, send: replica.send }, 'parts');
  const listed: Listed[] = [await upload.put(1, PART), await upload.put(2, PART)];
  await row('CompleteMultipartUpload, all parts of 5 MiB and more', () => own().complete(listed));
  upload = await beginUpload({ ...bench, send: replica.send }, 'parts');
  const smaller = [await upload.put(1, PART), await upload.put(2, SMALL)];
  await row('CompleteMultipartUpload, the last part under 5 MiB', () => own().complete(smaller));
  await row('CompleteMultipartUpload, sent again', () => own().complete(smaller));
  await cold();
  await row('HEAD of a multipart object', () => ask({ method: 'HEAD', key: 'parts' }), { warm: true });
  await cold();
  await row('GET of a multipart object', () => ask({ method: 'GET', key: 'parts' }), { warm: true });
  await cold();
  const some = () => ask({ method: 'GET', key: 'parts', headers: range('9-19') });
  await row('GET of a multipart object, a range', some, { warm: true });
}

async function listings(): Promise<void> {
  await cold();
  for (let at = 0; at < ROWS; at += 50) {
    await Promise.all(
      Array.from({ length: 50 }, (_, one) =>
        ask({ method: 'PUT', key: `rows/${String(at + one).padStart(4, '0')}`, body: SMALL }),
      ),
    );
  }
  for (let one = 0; one < 3; one++) await ask({ method: 'PUT', key: `large/${one}`, body: LARGE });
  const list = (prefix: string) => () =>
    ask({ method: 'GET', path: `/${bench.bucket}`, query: `list-type=2&prefix=${prefix}` });
  await cold();
  await row(`LIST, ${ROWS.toLocaleString('en-US')} rows up to 1 MiB`, list('rows%2F'), { warm: true });
  await row('LIST, 3 rows over 1 MiB', list('large%2F'), { warm: true });
  await row('LIST, no row', list('none%2F'), { warm: true });
}

it('is what the page says', { timeout: 120_000 }, async () => {
  await objects();
  await uploads();
  await listings();
  const table = ['| operation | nothing cached | cached |', '|---|---|---|', ...rows].join('\n');
  const page = await readFile(PAGE, 'utf8');
  const found = /\| operation \|[\s\S]*?\n(?=\n|$)/.exec(page)?.[0] ?? '';
  expect(found).not.toBe('');
  if (process.env['UPDATE_DOCS'] === '1') await writeFile(PAGE, page.replace(found, `${table}\n`));
  else expect(found.trim()).toBe(table);
  expect(rows).toHaveLength(26);
});
