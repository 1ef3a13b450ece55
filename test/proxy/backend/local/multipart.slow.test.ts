// Protects: multipart uploads: S3's checks at Complete, ranges and parts of the result, parts shared by UploadPartCopy, and
// that nothing of an upload is left once it is completed or aborted.
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { md5, openTestStore, pattern, type TestStore } from './harness.ts';
import { indexProblems, storeFiles } from './store-files.ts';

const bucket = 'multipart';
const MIN = 5 * 1024 * 1024;
const PART_1 = pattern(MIN, 1);
const PART_2 = pattern(MIN + 1, 2);
const TAIL = pattern(1000, 3);

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore({ bucket });
});
afterAll(async () => {
  await store.reopen();
  expect(indexProblems(store.directory)).toEqual([]);
  const files = storeFiles(store.directory);
  expect([...files.blobs].sort()).toEqual([...files.indexed.keys()].sort());
  await store[Symbol.asyncDispose]();
});

async function create(key: string, headers: Record<string, string> = {}): Promise<string> {
  const { xml } = await store.post({ bucket, key, query: { uploads: '' }, headers });
  return xml.value('UploadId') ?? '';
}

const part = (key: string, uploadId: string, number: number, body: Buffer) =>
  store.put({ bucket, key, query: { uploadId, partNumber: String(number) }, body });

type Listed = readonly (readonly [number: number, etag: string])[];

const complete = (key: string, uploadId: string, parts: Listed, headers: Record<string, string> = {}) => {
  const rows = parts.map(([n, etag]) => `<Part><PartNumber>${n}</PartNumber><ETag>${etag}</ETag></Part>`).join('');
  const body = `<CompleteMultipartUpload>${rows}</CompleteMultipartUpload>`;
  return store.post({ bucket, key, query: { uploadId }, body, headers });
};

function joinedEtag(parts: readonly Buffer[]): string {
  const digests = parts.map((bytes) => createHash('md5').update(bytes).digest());
  return `"${md5(Buffer.concat(digests))}-${parts.length}"`;
}

async function upload(key: string, parts: readonly (readonly [number, Buffer])[]): Promise<void> {
  const id = await create(key);
  for (const [number, bytes] of parts) await part(key, id, number, bytes);
  const done = await complete(
    key,
    id,
    parts.map(([number, bytes]) => [number, md5(bytes)]),
  );
  expect([done.status, done.text]).toEqual([200, expect.stringContaining('CompleteMultipartUploadResult')]);
}

test('the object is its parts in order, with headers and tags of Create', async () => {
  const id = await create('whole', { 'content-type': 'a/b', 'x-amz-meta-m': '1', 'x-amz-tagging': 't=1' });
  expect((await store.head({ bucket, key: 'whole' })).status).toBe(404);
  for (const [number, bytes] of [
    [9, TAIL],
    [2, PART_2],
    [1, PART_1],
  ] as const) {
    expect((await part('whole', id, number, bytes)).headers['etag']).toBe(`"${md5(bytes)}"`);
  }
  const parts = [PART_1, PART_2, TAIL];
  const done = await complete('whole', id, [
    [1, md5(PART_1)],
    [2, `"${md5(PART_2)}"`],
    [9, `&quot;${md5(TAIL)}&quot;`],
  ]);
  expect([done.status, done.xml.value('ETag'), done.xml.value('Key')]).toEqual([200, joinedEtag(parts), 'whole']);
  const whole = Buffer.concat(parts);
  const got = await store.get({ bucket, key: 'whole' });
  expect(got.bytes.equals(whole)).toBe(true);
  expect(got.headers).toMatchObject({
    etag: joinedEtag(parts),
    'content-type': 'a/b',
    'x-amz-meta-m': '1',
    'x-amz-tagging-count': '1',
  });
  expect(got.headers['x-amz-mp-parts-count']).toBeUndefined();
  const { xml } = await store.get({ bucket, query: { 'list-type': '2', prefix: 'whole' } });
  const [row] = xml.children('Contents');
  expect([row?.value('Size'), row?.value('ETag')]).toEqual([String(whole.length), joinedEtag(parts)]);
});

test('ranges across parts, and parts by number', async () => {
  await upload('ranges', [
    [1, PART_1],
    [5, PART_2],
    [7, TAIL],
  ]);
  const whole = Buffer.concat([PART_1, PART_2, TAIL]);
  const edges = [MIN - 1, MIN, MIN + 1, 2 * MIN, 2 * MIN + 1, 2 * MIN + 2, whole.length - 1];
  let ran = 0;
  for (const first of edges) {
    for (const last of edges.filter((edge) => edge >= first)) {
      const got = await store.get({ bucket, key: 'ranges', headers: { range: `bytes=${first}-${last}` } });
      expect([first, last, got.status]).toEqual([first, last, 206]);
      expect(got.bytes.equals(whole.subarray(first, last + 1))).toBe(true);
      ran++;
    }
  }
  expect(ran).toBe((edges.length * (edges.length + 1)) / 2);
  for (const [number, bytes] of [
    [1, PART_1],
    [5, PART_2],
    [7, TAIL],
  ] as const) {
    const query = { partNumber: String(number) };
    const got = await store.get({ bucket, key: 'ranges', query });
    const head = await store.head({ bucket, key: 'ranges', query });
    expect([got.status, head.status, got.headers['x-amz-mp-parts-count']]).toEqual([206, 206, '3']);
    expect(head.headers['content-range']).toBe(got.headers['content-range']);
    expect(got.bytes.equals(bytes)).toBe(true);
  }
  expect((await store.get({ bucket, key: 'ranges', query: { partNumber: '2' } })).code).toBe('InvalidPartNumber');
});

test('Complete refuses what S3 refuses, and a refusal leaves the upload as it was', async () => {
  const key = 'refused';
  const id = await create(key);
  await part(key, id, 1, PART_1);
  await part(key, id, 2, TAIL);
  await part(key, id, 3, TAIL);
  const [one, tail] = [md5(PART_1), md5(TAIL)];
  const cases: readonly (readonly [string, Listed])[] = [
    ['MalformedXML', []],
    [
      'InvalidPartOrder',
      [
        [2, tail],
        [1, one],
      ],
    ],
    [
      'InvalidPartOrder',
      [
        [1, one],
        [1, one],
      ],
    ],
    ['InvalidPart', [[1, tail]]],
    [
      'InvalidPart',
      [
        [1, one],
        [4, tail],
      ],
    ],
    ['InvalidPart', [[1, 'zz']]],
    [
      'EntityTooSmall',
      [
        [1, one],
        [2, tail],
        [3, tail],
      ],
    ],
    ['InvalidArgument', [[0, one]]],
    ['InvalidArgument', [[10_001, one]]],
  ];
  for (const [code, parts] of cases) expect([code, (await complete(key, id, parts)).code]).toEqual([code, code]);
  expect(cases).toHaveLength(9);
  expect((await complete(key, id, [[1, one]], { 'x-amz-mp-object-size': '1' })).code).toBe('InvalidRequest');
  expect((await complete(key, 'f'.repeat(52), [[1, one]])).code).toBe('NoSuchUpload');
  expect((await complete('other-key', id, [[1, one]])).code).toBe('NoSuchUpload');
  expect((await store.head({ bucket, key })).status).toBe(404);
  expect(
    (
      await complete(
        key,
        id,
        [
          [1, one],
          [3, tail],
        ],
        { 'x-amz-mp-object-size': String(MIN + 1000) },
      )
    ).status,
  ).toBe(200);
  expect((await store.head({ bucket, key })).headers['content-length']).toBe(String(MIN + 1000));
});

test('Complete is idempotent for the same part list and for no other', async () => {
  const key = 'again';
  const id = await create(key);
  await part(key, id, 1, TAIL);
  const first = await complete(key, id, [[1, md5(TAIL)]]);
  const second = await complete(key, id, [[1, md5(TAIL)]]);
  expect([second.status, second.xml.value('ETag')]).toEqual([200, first.xml.value('ETag')]);
  expect((await complete(key, id, [[1, md5('x')]])).code).toBe('NoSuchUpload');
  expect((await complete(key, id, [[1, 'not hex']])).code).toBe('NoSuchUpload');
  await store.put({ bucket, key, body: 'replaced' });
  expect((await complete(key, id, [[1, md5(TAIL)]])).code).toBe('NoSuchUpload');
});

test('Complete under conditions', async () => {
  const key = 'conditional';
  await store.put({ bucket, key, body: 'x' });
  const id = await create(key);
  await part(key, id, 1, TAIL);
  const parts: Listed = [[1, md5(TAIL)]];
  expect((await complete(key, id, parts, { 'if-none-match': '*' })).status).toBe(412);
  expect((await complete(key, id, parts, { 'if-match': '"0"' })).status).toBe(412);
  expect((await complete(key, id, parts, { 'if-match': `"${md5('x')}"` })).status).toBe(200);
});

test('a part uploaded again replaces the first; its bytes go', async () => {
  const key = 'replaced';
  const id = await create(key);
  await part(key, id, 1, PART_1);
  const files = storeFiles(store.directory).indexed.size;
  await part(key, id, 1, PART_2);
  expect(storeFiles(store.directory).indexed.size).toBe(files);
  expect((await complete(key, id, [[1, md5(PART_1)]])).code).toBe('InvalidPart');
  expect((await complete(key, id, [[1, md5(PART_2)]])).status).toBe(200);
});

test('an aborted upload is gone with its parts', async () => {
  const files = storeFiles(store.directory).indexed.size;
  const id = await create('aborted');
  await part('aborted', id, 1, PART_1);
  expect((await store.delete({ bucket, key: 'aborted', query: { uploadId: id } })).status).toBe(204);
  expect(storeFiles(store.directory).indexed.size).toBe(files);
  for (const answer of [
    await part('aborted', id, 2, TAIL),
    await store.get({ bucket, key: 'aborted', query: { uploadId: id } }),
    await store.delete({ bucket, key: 'aborted', query: { uploadId: id } }),
    await complete('aborted', id, [[1, md5(PART_1)]]),
  ]) {
    expect([answer.status, answer.code]).toEqual([404, 'NoSuchUpload']);
  }
});

test('part numbers are 1 to 10,000', async () => {
  const id = await create('numbers');
  for (const partNumber of ['0', '10001', '', 'x']) {
    const answer = await store.put({ bucket, key: 'numbers', query: { uploadId: id, partNumber }, body: 'x' });
    expect([partNumber, answer.code]).toEqual([partNumber, 'InvalidArgument']);
  }
  expect((await part('numbers', id, 10_000, TAIL)).status).toBe(200);
  expect((await complete('numbers', id, [[10_000, md5(TAIL)]])).status).toBe(200);
});

test('an upload of one empty part', async () => {
  const id = await create('empty');
  await part('empty', id, 1, Buffer.alloc(0));
  expect((await complete('empty', id, [[1, md5('')]])).status).toBe(200);
  const got = await store.get({ bucket, key: 'empty', query: { partNumber: '1' } });
  expect([got.status, got.bytes.length, got.headers['x-amz-mp-parts-count']]).toEqual([200, 0, '1']);
});

const partCopy = (key: string, uploadId: string, number: number, source: string, range?: string) =>
  store.put({
    bucket,
    key,
    query: { uploadId, partNumber: String(number) },
    headers: { 'x-amz-copy-source': source, ...(range === undefined ? {} : { 'x-amz-copy-source-range': range }) },
  });

test('UploadPartCopy shares whole bodies and ranges, of multipart sources too', async () => {
  await upload('source', [
    [1, PART_1],
    [2, PART_2],
    [3, TAIL],
  ]);
  await store.put({ bucket, key: 'plain', body: PART_2 });
  const source = Buffer.concat([PART_1, PART_2, TAIL]);
  const files = storeFiles(store.directory).indexed.size;
  const id = await create('assembled');
  const wanted: (readonly [string, string | undefined, Buffer])[] = [
    ['multipart/source', undefined, source],
    ['multipart/source', `bytes=10-${2 * MIN + 100}`, source.subarray(10, 2 * MIN + 101)],
    ['multipart/plain', undefined, PART_2],
    ['multipart/plain', `bytes=1-${MIN}`, PART_2.subarray(1, MIN + 1)],
    ['multipart/plain', 'bytes=5-5', PART_2.subarray(5, 6)],
  ];
  const listed: [number, string][] = [];
  for (const [i, [name, range, bytes]] of wanted.entries()) {
    const copied = await partCopy('assembled', id, i + 1, name, range);
    expect([copied.status, copied.xml.value('ETag')]).toEqual([200, `"${md5(bytes)}"`]);
    listed.push([i + 1, md5(bytes)]);
  }
  expect(storeFiles(store.directory).indexed.size).toBe(files);
  for (const key of ['source', 'plain']) await store.delete({ bucket, key });
  expect((await complete('assembled', id, listed)).status).toBe(200);
  const expected = Buffer.concat(wanted.map(([, , bytes]) => bytes));
  expect((await store.get({ bucket, key: 'assembled' })).bytes.equals(expected)).toBe(true);
  const second = await store.get({ bucket, key: 'assembled', query: { partNumber: '2' } });
  expect(second.bytes.equals(wanted[1]?.[2] ?? Buffer.alloc(0))).toBe(true);
  expect((await store.head({ bucket, key: 'assembled' })).headers['etag']).toBe(joinedEtag(wanted.map(([, , b]) => b)));
  await store.delete({ bucket, key: 'assembled' });
});

test('UploadPartCopy of an empty multipart object', async () => {
  await upload('empty-source', [[1, Buffer.alloc(0)]]);
  const id = await create('from-empty');
  expect((await partCopy('from-empty', id, 1, 'multipart/empty-source')).xml.value('ETag')).toBe(`"${md5('')}"`);
  expect((await complete('from-empty', id, [[1, md5('')]])).status).toBe(200);
  expect((await store.get({ bucket, key: 'from-empty', query: { partNumber: '1' } })).status).toBe(200);
});

test('UploadPartCopy refuses ranges outside its source, and missing sources', async () => {
  await store.put({ bucket, key: 'ten', body: Buffer.alloc(10) });
  const id = await create('bad-range');
  for (const range of ['bytes=0-10', 'bytes=10-10', 'bytes=5-4', 'bytes=5-', 'bytes=-5', '0-1', 'bytes=0-1,3-4']) {
    const answer = await partCopy('bad-range', id, 1, 'multipart/ten', range);
    expect([range, answer.status, answer.code]).toEqual([range, 400, 'InvalidArgument']);
  }
  expect((await partCopy('bad-range', id, 1, 'multipart/none')).code).toBe('NoSuchKey');
  expect((await partCopy('bad-range', 'f'.repeat(52), 1, 'multipart/ten')).code).toBe('NoSuchUpload');
  await store.delete({ bucket, key: 'bad-range', query: { uploadId: id } });
});

test('a copy of a multipart object keeps ETag and parts', async () => {
  await upload('original', [
    [1, PART_1],
    [2, TAIL],
  ]);
  await store.put({ bucket, key: 'copied', headers: { 'x-amz-copy-source': 'multipart/original' } });
  await store.delete({ bucket, key: 'original' });
  const got = await store.get({ bucket, key: 'copied', query: { partNumber: '2' } });
  expect([got.headers['etag'], got.headers['x-amz-mp-parts-count']]).toEqual([joinedEtag([PART_1, TAIL]), '2']);
  expect(got.bytes.equals(TAIL)).toBe(true);
});

test('ListParts pages by number', async () => {
  const key = 'list parts';
  const id = await create(key);
  for (const number of [3, 1, 10_000, 7]) await part(key, id, number, TAIL);
  const numbers: (string | undefined)[] = [];
  let marker = '0';
  for (let page = 0; page < 10; page++) {
    const query = { uploadId: id, 'max-parts': '3', 'part-number-marker': marker };
    const { xml } = await store.get({ bucket, key, query });
    for (const row of xml.children('Part')) {
      numbers.push(row.value('PartNumber'));
      expect([row.value('ETag'), row.value('Size')]).toEqual([`"${md5(TAIL)}"`, '1000']);
    }
    marker = xml.value('NextPartNumberMarker') ?? '';
    if (xml.value('IsTruncated') !== 'true') break;
  }
  expect(numbers).toEqual(['1', '3', '7', '10000']);
});

test('ListMultipartUploads: by key, then by age, page by page', async () => {
  const other = 'multipart-list';
  await store.put({ bucket: other });
  const expected: string[] = [];
  for (const key of ['a', 'b/1', 'b/2', 'c']) {
    for (let i = 0; i < 2; i++) {
      const { xml } = await store.post({ bucket: other, key, query: { uploads: '' } });
      expected.push(`${key} ${xml.value('UploadId')}`);
    }
  }
  // Two uploads of the same millisecond are in the order of their ids.
  expected.sort();
  const walkPages = async (query: Record<string, string>) => {
    const seen: string[] = [];
    let marker: Record<string, string> = {};
    for (let page = 0; page < 20; page++) {
      const { xml } = await store.get({ bucket: other, query: { uploads: '', ...query, ...marker } });
      seen.push(...xml.children('Upload').map((row) => `${row.value('Key')} ${row.value('UploadId')}`));
      seen.push(...xml.children('CommonPrefixes').map((row) => row.value('Prefix') ?? ''));
      if (xml.value('IsTruncated') !== 'true') return seen;
      const upload = xml.value('NextUploadIdMarker');
      marker = {
        'key-marker': xml.value('NextKeyMarker') ?? '',
        ...(upload === undefined ? {} : { 'upload-id-marker': upload }),
      };
    }
    throw new Error('the pages do not end');
  };
  for (const size of ['1', '2', '3', '1000']) {
    expect([size, await walkPages({ 'max-uploads': size })]).toEqual([size, expected]);
  }
  const rolled = [...expected.filter((row) => !row.startsWith('b/')), 'b/'].sort();
  expect((await walkPages({ delimiter: '/', 'max-uploads': '2' })).sort()).toEqual(rolled);
  expect(await walkPages({ prefix: 'b/' })).toEqual(expected.filter((row) => row.startsWith('b/')));
});
