/**
 * What a client sees of multipart uploads, whatever the store: which parts may be sent, listed and completed, what the finished
 * object answers, and that nothing is left behind (S3 API reference; seen elsewhere: parts 1, 5, 9, a subset, part 10,000, the last
 * part that is no longer the last).
 */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { uploadIdOf } from '../../../proxy/multipart/upload-record.ts';
import type { Bench } from '../../helpers/bench.ts';
import type { Header } from '../../helpers/raw-client.ts';
import { storedObject } from '../../helpers/stored.ts';
import {
  beginUpload,
  elements,
  type Listed,
  MIN_PART,
  md5,
  multipartEtag,
  openReplica,
  openUploads,
  outcome,
  type Replica,
  Upload,
  uploadState,
} from '../../helpers/uploads.ts';

/** One buffer for all large parts: they begin at different offsets, so their bytes differ. */
const SOURCE = randomBytes(MIN_PART + 4096);
const large = (offset: number, bytes = MIN_PART): Buffer => SOURCE.subarray(offset, offset + bytes);

export interface SuiteOptions {
  /** All parts but the last have one size. */
  readonly equalParts?: boolean;
  /** Its ListMultipartUploads is out of order, or wants whole keys as prefixes. */
  readonly wrongUploadListings?: boolean;
  /** It aborts what it does not know without a word, or finds the id malformed. */
  readonly silentAborts?: boolean;
  readonly withoutTags?: boolean;
}

export function multipartSuite(bench: () => Bench, o: SuiteOptions = {}): void {
  /** Completes, and compares what every way of reading says with the parts. */
  async function completed(upload: Upload, listed: readonly Listed[], bodies: readonly Buffer[]): Promise<void> {
    const reply = await upload.complete(listed);
    expect(outcome(reply)).toBe('200');
    const etag = `"${multipartEtag(bodies)}"`;
    expect(elements(reply, 'ETag')).toEqual([etag]);
    await expectObject(upload, bodies, etag);
    await expectNothingLeft();
  }

  async function expectObject(upload: Upload, bodies: readonly Buffer[], etag: string): Promise<void> {
    const whole = Buffer.concat(bodies);
    const got = await upload.get();
    expect([got.status, got.headers['etag'], got.headers['content-length']]).toEqual([200, etag, String(whole.length)]);
    expect(got.body.equals(whole)).toBe(true);
    const head = await upload.get({ method: 'HEAD' });
    expect([head.headers['etag'], head.headers['content-length']]).toEqual([etag, String(whole.length)]);
    const query = `list-type=2&prefix=${encodeURIComponent(upload.key)}`;
    const rows = await bench().send({ method: 'GET', path: `/${upload.bucket}`, query });
    expect([elements(rows, 'ETag'), elements(rows, 'Size')]).toEqual([[etag], [String(whole.length)]]);
  }

  async function expectNothingLeft(): Promise<void> {
    const { backend, bucket } = bench();
    expect(await uploadState(backend)).toEqual([]);
    expect(await openUploads(backend, bucket)).toEqual([]);
  }

  let replica: Replica;
  beforeAll(async () => {
    replica = await openReplica(bench());
  });
  afterAll(() => replica.proxy.close());

  describe('parts', () => parts(bench, completed, o));
  describe('refusals', () => refusals(bench, () => replica, { ...o, completed, expectNothingLeft }));
  describe('listings', () => listings(bench, () => replica, o));
  describe('attributes', () => attributes(bench, completed, o));
  describe('ends', () => ends(bench, () => replica, expectNothingLeft));
}

type Completed = (upload: Upload, listed: readonly Listed[], bodies: readonly Buffer[]) => Promise<void>;

function parts(bench: () => Bench, completed: Completed, o: SuiteOptions): void {
  it.each([1, 2, 65_536, 65_537, MIN_PART - 1, MIN_PART, MIN_PART + 1])('one part of %i bytes', async (size) => {
    const body = large(7, size);
    const upload = await beginUpload(bench(), `one/${size}`);
    await completed(upload, [await upload.put(1, body)], [body]);
  });

  it('an upload of one empty part', async () => {
    const body = Buffer.alloc(0);
    const upload = await beginUpload(bench(), 'one/empty');
    await completed(upload, [await upload.put(1, body)], [body]);
  });

  it('sent in the reverse order and at once, one of them twice', async () => {
    const bodies = [large(0), large(1), large(2, 77)];
    const upload = await beginUpload(bench(), 'reverse');
    const [third, second, first] = await Promise.all(
      [3, 2, 1].map(async (number) => upload.put(number, bodies[number - 1] ?? Buffer.alloc(0))),
    );
    if (first === undefined || second === undefined || third === undefined) throw new Error('three parts were sent');
    await upload.put(1, large(0));
    await completed(upload, [first, second, third], bodies);
  });

  it('numbered 1, 5 and 9, the last as long as a segment', async () => {
    const bodies = [large(3), large(4), large(5, 65_536)];
    const upload = await beginUpload(bench(), 'gaps');
    const listed = [await upload.put(1, bodies[0] ?? SOURCE), await upload.put(5, bodies[1] ?? SOURCE)];
    listed.push(await upload.put(9, bodies[2] ?? SOURCE));
    await completed(upload, listed, bodies);
    const ninth = await upload.get({ query: 'partNumber=9' });
    expect([ninth.status, ninth.headers['x-amz-mp-parts-count']]).toEqual([206, '3']);
    expect(ninth.body.equals(large(5, 65_536))).toBe(true);
  });

  it('of which only some are completed, the last not among them', async () => {
    const upload = await beginUpload(bench(), 'subset');
    const listed = [await upload.put(2, large(10)), await upload.put(3, large(11, 1000))];
    await upload.put(1, large(12));
    await upload.put(7, large(13, 99));
    await completed(upload, listed, [large(10), large(11, 1000)]);
  });

  it('number 10,000 alone', async () => {
    const upload = await beginUpload(bench(), 'last/alone');
    await completed(upload, [await upload.put(10_000, large(20, 12_345))], [large(20, 12_345)]);
  });

  it('number 10,000 behind another, as long as a part that need not be the last', async () => {
    const upload = await beginUpload(bench(), 'last/both');
    // A store of equal parts has no number left for the footer when the last part is a full one.
    const size = o.equalParts === true ? Math.floor(MIN_PART * 0.8) : MIN_PART;
    const listed = [await upload.put(9_998, large(21)), await upload.put(10_000, large(22, size))];
    await completed(upload, listed, [large(21), large(22, size)]);
  });

  it('that was small and is now large, and the reverse: the latest attempt counts', async () => {
    const upload = await beginUpload(bench(), 'resized');
    const stale = [await upload.put(1, large(30, 10)), await upload.put(2, large(31))];
    const listed = [await upload.put(1, large(32)), await upload.put(2, large(33, 10))];
    for (const [index, old] of stale.entries()) {
      const mixed = listed.map((one, at) => (at === index ? old : one));
      expect(outcome(await upload.complete(mixed))).toBe('400 InvalidPart');
    }
    await completed(upload, listed, [large(32), large(33, 10)]);
  });
}

function refusals(
  bench: () => Bench,
  replica: () => Replica,
  o: SuiteOptions & { completed: Completed; expectNothingLeft: () => Promise<void> },
): void {
  let upload: Upload;
  let listed: readonly Listed[];
  const bodies = [large(40), large(41, 10)];
  beforeAll(async () => {
    upload = await beginUpload(bench(), 'refused');
    listed = [await upload.put(1, bodies[0] ?? SOURCE), await upload.put(2, bodies[1] ?? SOURCE)];
    await upload.put(3, large(42, 20));
  });

  const refused: [string, () => string | readonly Listed[], string, Header[]?][] = [
    ['a small part that is not the last', () => [...listed, part(3, large(42, 20))], '400 EntityTooSmall'],
    ['the wrong order', () => [...listed].reverse(), '400 InvalidPartOrder'],
    ['a part twice', () => [...listed.slice(0, 1), ...listed], '400 InvalidPartOrder'],
    ['a part that was not sent', () => [...listed, part(4, bodies[1] ?? SOURCE)], '400 InvalidPart'],
    ["another part's ETag", () => [part(1, large(42, 20))], '400 InvalidPart'],
    ['an empty ETag', () => [{ number: 1, etag: '' }], '400 InvalidPart'],
    ['no part', () => [], '400 MalformedXML'],
    ['part 0', () => [{ number: 0, etag: '"x"' }], '400 InvalidArgument'],
    ['part 10,001', () => [{ number: 10_001, etag: '"x"' }], '400 InvalidArgument'],
    ['a part number that is none', () => [{ number: '0x1', etag: '"x"' }], '400 MalformedXML'],
    ['a part without ETag', () => doc('<Part><PartNumber>1</PartNumber></Part>'), '400 MalformedXML'],
    ['what is not XML', () => '{"Parts":[]}', '400 MalformedXML'],
    ['another root', () => '<Delete><Object><Key>a</Key></Object></Delete>', '400 MalformedXML'],
    ['an empty body', () => '', '400 MalformedXML'],
    ['a wrong object size', () => listed, '400 InvalidRequest', [['x-amz-mp-object-size', String(MIN_PART + 11)]]],
    ['an object size that is none', () => listed, '400 InvalidArgument', [['x-amz-mp-object-size', 'many']]],
    ['a Content-MD5 of another document', () => listed, '400 BadDigest', [['content-md5', `${'A'.repeat(22)}==`]]],
  ];
  it.each(refused)('%s', async (_name, content, wanted, headers = []) => {
    const given = content();
    const reply = typeof given === 'string' ? upload.completeWith(given, headers) : upload.complete(given, headers);
    expect(outcome(await reply)).toBe(wanted);
    expect(outcome(await upload.get())).toBe('404 NoSuchKey');
  });

  it('EntityTooSmall names the part and its size in plaintext', async () => {
    const reply = await upload.complete([...listed, part(3, large(42, 20))]);
    expect([elements(reply, 'ProposedSize'), elements(reply, 'MinSizeAllowed')]).toEqual([['10'], [String(MIN_PART)]]);
    expect([elements(reply, 'PartNumber'), elements(reply, 'ETag')]).toEqual([['2'], [md5(large(41, 10))]]);
  });

  it.each(['0', '10001', '-1', '1.5', 'x', ''])('part number %s', async (number) => {
    expect(outcome(await upload.part(number, Buffer.from('x')))).toBe('400 InvalidArgument');
  });

  it('a stale ETag, on a replica that took neither attempt; afterwards the upload completes all the same', async () => {
    const elsewhere = upload.through(replica().send);
    await upload.put(2, large(43, 11));
    expect(outcome(await elsewhere.complete(listed))).toBe('400 InvalidPart');
    await elsewhere.put(2, bodies[1] ?? SOURCE);
    const unquoted = listed.map(({ number, etag }) => ({ number, etag: etag.replaceAll('"', '') }));
    const size: Header = ['x-amz-mp-object-size', String(MIN_PART + 10)];
    expect(outcome(await upload.complete(unquoted, [size]))).toBe('200');
    expect((await upload.get()).headers['etag']).toBe(`"${multipartEtag(bodies)}"`);
    await o.expectNothingLeft();
  });

  const odd = ['', 'x', 'never-begun', '../../keyrings', "a'b%2F\u{1f511}", 'x'.repeat(500)];
  it.each(odd)('the upload id %j', async (id) => {
    const { bucket, send, backend } = bench();
    const unknown = new Upload({ bucket, key: 'odd ids', id, send });
    const replies = [
      await unknown.part(1, Buffer.from('x')),
      await unknown.list(),
      await unknown.complete([part(1, SOURCE)]),
    ];
    expect(replies.map(outcome)).toEqual(replies.map(() => '404 NoSuchUpload'));
    const others = o.silentAborts === true ? ['204', '400 InvalidArgument'] : [];
    expect(['404 NoSuchUpload', ...others]).toContain(outcome(await unknown.abort()));
    const kept = await uploadState(backend);
    expect(kept.filter((name) => name.includes(uploadIdOf({ bucket, key: 'odd ids', uploadId: id })))).toEqual([]);
  });
}

const part = (number: number, body: Buffer): Listed => ({ number, etag: `"${md5(body)}"` });
const doc = (rows: string): string => `<CompleteMultipartUpload>${rows}</CompleteMultipartUpload>`;

function listings(bench: () => Bench, replica: () => Replica, o: SuiteOptions): void {
  it('ListParts gives plaintext sizes and ETags, in pages, on another replica too', async () => {
    const upload = await beginUpload(bench(), 'listed');
    const bodies = new Map([3, 1, 10_000, 7].map((number) => [number, large(number % 100, 100 + (number % 100))]));
    bodies.set(2, large(50));
    for (const [number, body] of bodies) await upload.put(number, body);
    const numbers = [1, 2, 3, 7, 10_000];
    const elsewhere = upload.through(replica().send);
    for (const size of [1000, 3, 1]) {
      const seen: { number: string; etag: string; size: string }[] = [];
      let marker = '0';
      for (let pages = 0; ; pages++) {
        expect(pages).toBeLessThan(6);
        const page = await elsewhere.list(`max-parts=${size}&part-number-marker=${marker}`);
        expect([page.status, elements(page, 'MaxParts')]).toEqual([200, [String(size)]]);
        const [etags, sizes] = [elements(page, 'ETag'), elements(page, 'Size')];
        for (const [at, number] of elements(page, 'PartNumber').entries()) {
          seen.push({ number, etag: etags[at] ?? '', size: sizes[at] ?? '' });
        }
        if (elements(page, 'IsTruncated')[0] !== 'true') break;
        marker = elements(page, 'NextPartNumberMarker')[0] ?? '';
      }
      expect(seen).toEqual(
        numbers.map((number) => {
          const body = bodies.get(number) ?? Buffer.alloc(0);
          return { number: String(number), etag: `"${md5(body)}"`, size: String(body.length) };
        }),
      );
    }
    expect(outcome(await upload.abort())).toBe('204');
  });

  it('ListMultipartUploads names an upload in progress by its key and id, and no more once it is aborted', async () => {
    const upload = await beginUpload(bench(), 'in/progress ü');
    const ask = () =>
      replica().send({ method: 'GET', path: `/${upload.bucket}`, query: 'uploads=&prefix=in%2Fprogress%20%C3%BC' });
    const found = await ask();
    expect([elements(found, 'Key'), elements(found, 'UploadId')]).toEqual([[upload.key], [upload.id]]);
    expect(outcome(await upload.abort())).toBe('204');
    expect(elements(await ask(), 'Key')).toEqual([]);
  });

  it.skipIf(o.wrongUploadListings)('ListMultipartUploads takes prefix, delimiter, page size and encoding', async () => {
    const keys = ['list/b ü', 'list/a', 'list/c/d'];
    const uploads = await Promise.all(keys.map((key) => beginUpload(bench(), key)));
    const { bucket, send } = bench();
    const ask = (query: string) =>
      send({ method: 'GET', path: `/${bucket}`, query: `uploads=&prefix=list%2F${query}` });
    const all = await ask('');
    expect(elements(all, 'Key')).toEqual([...keys].sort());
    expect(elements(all, 'UploadId').sort()).toEqual(uploads.map(({ id }) => id).sort());
    const grouped = await ask('&delimiter=%2F');
    expect([elements(grouped, 'Key'), elements(grouped, 'Prefix')]).toEqual([
      ['list/a', 'list/b ü'],
      ['list/', 'list/c/'],
    ]);
    const seen: string[] = [];
    for (let marker = ''; ; ) {
      const page = await ask(`&max-uploads=1&encoding-type=url${marker}`);
      expect([elements(page, 'MaxUploads'), elements(page, 'Key').length]).toEqual([['1'], 1]);
      seen.push(...elements(page, 'Key'));
      if (elements(page, 'IsTruncated')[0] !== 'true') break;
      const [key = '', id = ''] = [...elements(page, 'NextKeyMarker'), ...elements(page, 'NextUploadIdMarker')];
      marker = `&key-marker=${key.replaceAll('+', '%20').replaceAll('/', '%2F')}&upload-id-marker=${id}`;
    }
    expect(seen).toEqual(['list/a', 'list/b+%C3%BC', 'list/c/d']);
    for (const upload of uploads) expect(outcome(await upload.abort())).toBe('204');
  });
}

const CONTENT: readonly Header[] = [
  ['content-type', 'text/x-parts; charset=utf-8'],
  ['cache-control', 'max-age=9'],
  ['content-disposition', 'attachment; filename="p.txt"'],
  ['content-encoding', 'gzip'],
  ['content-language', 'de-AT'],
  ['expires', 'Thu, 01 Dec 2033 16:00:00 GMT'],
];

function attributes(bench: () => Bench, completed: Completed, o: SuiteOptions): void {
  it.each([
    ['fit the header', 20],
    ['go into the footer', 1990],
  ])('metadata that %s are kept, sealed, with all content headers', async (name, length) => {
    const { backend, bucket } = bench();
    const secret = 'm'.repeat(length);
    const upload = await beginUpload(bench(), `kept/${name}`, [...CONTENT, ['x-amz-meta-secret', secret]]);
    const body = large(60, 70_000);
    await completed(upload, [await upload.put(1, body)], [body]);
    for (const reply of [await upload.get(), await upload.get({ method: 'HEAD' })]) {
      for (const [header, value] of [...CONTENT, ['x-amz-meta-secret', secret] as const]) {
        expect([header, reply.headers[header]]).toEqual([header, value]);
      }
    }
    const stored = await storedObject(backend, bucket, upload.key);
    expect('enc-attrs' in stored.metadata).toBe(length < 100);
    expect(JSON.stringify(stored.headers)).not.toContain(secret);
    expect(stored.body.includes(secret)).toBe(false);
  });

  it.skipIf(o.withoutTags)('tags given to Create are those of the object', async () => {
    const upload = await beginUpload(bench(), 'tagged', [['x-amz-tagging', 'a=1&b=x%20y']]);
    await completed(upload, [await upload.put(1, large(61, 5))], [large(61, 5)]);
    const tags = await upload.get({ query: 'tagging=' });
    expect([elements(tags, 'Key'), elements(tags, 'Value')]).toEqual([
      ['a', 'b'],
      ['1', 'x y'],
    ]);
  });
}

function ends(bench: () => Bench, replica: () => Replica, expectNothingLeft: () => Promise<void>): void {
  it('Abort leaves nothing at the store and in the state, and ends the upload on every replica', async () => {
    const upload = await beginUpload(bench(), 'aborted');
    const elsewhere = upload.through(replica().send);
    const listed = [await upload.put(1, large(70)), await elsewhere.put(2, large(71, 10))];
    await upload.put(1, large(72, 33));
    expect(outcome(await elsewhere.abort())).toBe('204');
    await expectNothingLeft();
    for (const one of [upload, elsewhere]) {
      expect(outcome(await one.complete(listed))).toBe('404 NoSuchUpload');
      expect(outcome(await one.part(3, large(73, 10)))).toBe('404 NoSuchUpload');
      expect(outcome(await one.list())).toBe('404 NoSuchUpload');
    }
    expect(outcome(await upload.part(1, large(72)))).toBe('404 NoSuchUpload');
    expect(outcome(await upload.get())).toBe('404 NoSuchKey');
    await expectNothingLeft();
  });

  it('Complete with the same list again is the same answer, with another one NoSuchUpload', async () => {
    const upload = await beginUpload(bench(), 'again');
    const elsewhere = upload.through(replica().send);
    const listed = [await upload.put(1, large(80)), await upload.put(2, large(81, 10))];
    const first = await upload.complete(listed);
    for (const one of [upload, elsewhere]) {
      const again = await one.complete(listed.map(({ number, etag }) => ({ number, etag: etag.replaceAll('"', '') })));
      expect([outcome(again), elements(again, 'ETag')]).toEqual(['200', elements(first, 'ETag')]);
      expect(outcome(await one.complete(listed.slice(0, 1)))).toBe('404 NoSuchUpload');
    }
    const other = await beginUpload(bench(), 'again');
    await other.complete([await other.put(1, large(82, 3))]);
    expect(outcome(await upload.complete(listed))).toBe('404 NoSuchUpload');
    expect((await upload.get()).body.equals(large(82, 3))).toBe(true);
  });

  it('replicas take every step in turn', async () => {
    const here = await beginUpload(bench(), 'turns', [['x-amz-meta-who', 'both']]);
    const there = here.through(replica().send);
    const listed = [await there.put(1, large(90)), await here.put(2, large(91)), await there.put(3, large(92, 1))];
    const bodies = [large(90), large(91), large(92, 1)];
    expect(outcome(await there.complete(listed))).toBe('200');
    const got = await here.get();
    expect(createHash('md5').update(got.body).digest('hex')).toBe(md5(Buffer.concat(bodies)));
    expect(got.headers['x-amz-meta-who']).toBe('both');
  });
}
