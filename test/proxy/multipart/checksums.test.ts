/**
 * Protects checksums of multipart uploads (S3 user guide, "Checking object integrity"): the finished object has the one that
 * Create named, composite or full, computed here from the definitions; what a client promises of a part or of the object is
 * compared, never dropped; combinations that S3 does not know are refused. The smallest part is made small here.
 */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { PARTS_STORE_CAPABILITIES, PartsStore } from '../../helpers/parts-store.ts';
import { framed, type Header } from '../../helpers/raw-client.ts';
import { ALGORITHMS, type Algorithm, referenceChecksum } from '../../helpers/reference-checksums.ts';
import {
  beginUpload,
  createUpload,
  elements,
  type Listed,
  MIN_PART,
  outcome,
  type Upload,
  uploadState,
} from '../../helpers/uploads.ts';

vi.mock('../../../proxy/limits.ts', async (original) => ({
  ...(await original<typeof import('../../../proxy/limits.ts')>()),
  MIN_PART_BYTES: 70_000,
}));

const FIRST = randomBytes(MIN_PART + 5);
const SECOND = randomBytes(70_001);
const BODIES = [FIRST, SECOND];

type Type = 'COMPOSITE' | 'FULL_OBJECT';
const CASES: readonly (readonly [Algorithm, Type])[] = [
  ...ALGORITHMS.filter((name) => name !== 'CRC64NVME').map((name) => [name, 'COMPOSITE'] as const),
  ...(['CRC32', 'CRC32C', 'CRC64NVME'] as const).map((name) => [name, 'FULL_OBJECT'] as const),
];

/** The slow oracle is asked once for each. */
const partSums = new Map(ALGORITHMS.map((name) => [name, BODIES.map((body) => referenceChecksum(name, body))]));
const sumsOf = (name: Algorithm) => partSums.get(name) ?? [];
const fullSums = new Map(ALGORITHMS.map((name) => [name, referenceChecksum(name, Buffer.concat(BODIES))]));

function expected(name: Algorithm, type: Type): string {
  if (type === 'FULL_OBJECT') return fullSums.get(name) ?? '';
  const digests = Buffer.concat(sumsOf(name).map((sum) => Buffer.from(sum, 'base64')));
  return `${referenceChecksum(name, digests)}-2`;
}

const headerOf = (name: Algorithm): string => `x-amz-checksum-${name.toLowerCase()}`;
const creating = (name: Algorithm, type?: Type): Header[] => [
  ['x-amz-checksum-algorithm', name],
  ...(type === undefined ? [] : ([['x-amz-checksum-type', type]] as const)),
];

describe('checksums', () => {
  let bench: Bench;
  beforeAll(async () => {
    const backend = new PartsStore();
    const store = { backend, close: () => backend.close() };
    bench = await openBench({ store, capabilities: PARTS_STORE_CAPABILITIES });
  });
  afterAll(() => bench.close());

  /** Parts with the checksum in a header, in a trailer, and not sent at all. */
  async function begun(key: string, name: Algorithm, type?: Type): Promise<{ upload: Upload; listed: Listed[] }> {
    const upload = await beginUpload(bench, key, creating(name, type));
    const [one = '', two = ''] = sumsOf(name);
    const listed = [await upload.put(1, FIRST, [[headerOf(name), one]]), await upload.put(2, SECOND)];
    const extra = (sum: string) => `<Checksum${name}>${sum}</Checksum${name}>`;
    return { upload, listed: listed.map((part, at) => ({ ...part, extra: extra(at === 0 ? one : two) })) };
  }

  async function expectReturned(upload: Upload, name: Algorithm, type: Type): Promise<void> {
    const mode: Header = ['x-amz-checksum-mode', 'ENABLED'];
    for (const method of ['GET', 'HEAD']) {
      const asked = await upload.get({ method, headers: [mode] });
      expect([asked.headers[headerOf(name)], asked.headers['x-amz-checksum-type']]).toEqual([
        expected(name, type),
        type,
      ]);
      const range = await upload.get({ method, headers: [mode, ['range', 'bytes=0-9']] });
      expect([range.status, range.headers[headerOf(name)]]).toEqual([206, undefined]);
    }
    expect((await upload.get({ method: 'HEAD' })).headers[headerOf(name)]).toBeUndefined();
  }

  it.each(CASES)('%s %s: listed, answered and returned', async (name, type) => {
    const { upload, listed } = await begun(`kept/${name}-${type}`, name, type);
    const parts = await upload.list();
    expect([elements(parts, 'ChecksumAlgorithm'), elements(parts, 'ChecksumType')]).toEqual([[name], [type]]);
    expect(elements(parts, `Checksum${name}`)).toEqual(sumsOf(name));
    const promise: Header[] = [
      [headerOf(name), expected(name, type)],
      ['x-amz-checksum-type', type],
    ];
    const reply = await upload.complete(listed, promise);
    expect([outcome(reply), elements(reply, `Checksum${name}`), elements(reply, 'ChecksumType')]).toEqual([
      '200',
      [expected(name, type)],
      [type],
    ]);
    await expectReturned(upload, name, type);
    const attributes = await upload.get({
      query: 'attributes',
      headers: [['x-amz-object-attributes', 'Checksum,ObjectParts']],
    });
    // S3 leaves the number of parts out here.
    const unnumbered = expected(name, type).replace(/-2$/, '');
    expect(elements(attributes, `Checksum${name}`)).toEqual([unnumbered, ...sumsOf(name)]);
    const again = await upload.complete(listed);
    expect(elements(again, `Checksum${name}`)).toEqual([expected(name, type)]);
  });

  it('the default type is COMPOSITE, and FULL_OBJECT for CRC64NVME', async () => {
    for (const name of ALGORITHMS) {
      const type = name === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE';
      const reply = await createUpload(bench.send, bench.bucket, 'default', creating(name));
      expect([reply.headers['x-amz-checksum-algorithm'], reply.headers['x-amz-checksum-type']]).toEqual([name, type]);
    }
  });

  it.each<[string, Header[], string]>([
    ['CRC64NVME is never COMPOSITE', creating('CRC64NVME', 'COMPOSITE'), '400 InvalidRequest'],
    ...ALGORITHMS.filter((name) => !name.startsWith('CRC')).map((name): [string, Header[], string] => [
      `${name} is never FULL_OBJECT`,
      creating(name, 'FULL_OBJECT'),
      '400 InvalidRequest',
    ]),
    ['a type without an algorithm', [['x-amz-checksum-type', 'COMPOSITE']], '400 InvalidRequest'],
    ['another type', [...creating('CRC32'), ['x-amz-checksum-type', 'PARTIAL']], '400 InvalidRequest'],
    ['another algorithm', [['x-amz-checksum-algorithm', 'CRC16']], '400 InvalidRequest'],
    ['one of the same family', [['x-amz-checksum-algorithm', 'XXHASH32']], '400 InvalidRequest'],
  ])('Create: %s', async (_name, headers, wanted) => {
    const before = await uploadState(bench.backend);
    expect(outcome(await createUpload(bench.send, bench.bucket, 'refused', headers))).toBe(wanted);
    expect(await uploadState(bench.backend)).toEqual(before);
  });

  it.each(ALGORITHMS)(
    'a wrong %s of a part is BadDigest by header and trailer, and the part does not exist',
    async (name) => {
      const upload = await beginUpload(bench, `wrong/${name}`, creating(name));
      const wrong = referenceChecksum(name, Buffer.from('another'));
      expect(outcome(await upload.part(1, SECOND, [[headerOf(name), wrong]]))).toBe('400 BadDigest');
      const trailer = `${headerOf(name)}:${wrong}`;
      const query = `partNumber=1&uploadId=${upload.id}`;
      const trailed = await bench.send({
        method: 'PUT',
        path: `/${upload.bucket}/${upload.key}`,
        query,
        payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        headers: [
          ['x-amz-decoded-content-length', String(SECOND.length)],
          ['x-amz-trailer', headerOf(name)],
          ['content-encoding', 'aws-chunked'],
        ],
        body: framed(SECOND, { chunkBytes: 65_536, trailer }),
      });
      expect(outcome(trailed)).toBe('400 BadDigest');
      expect(elements(await upload.list(), 'PartNumber')).toEqual([]);
      const md5 = createHash('md5').update(SECOND).digest('hex');
      expect(outcome(await upload.complete([{ number: 1, etag: md5 }]))).toBe('400 InvalidPart');
      await upload.abort();
    },
  );

  it('a part with the checksum of another algorithm is refused; without a declared one each is compared and echoed', async () => {
    const declared = await beginUpload(bench, 'declared', creating('CRC32C'));
    const sha1: Header = [headerOf('SHA1'), sumsOf('SHA1')[1] ?? ''];
    expect(outcome(await declared.part(1, SECOND, [sha1]))).toBe('400 InvalidRequest');
    const own = await declared.part(1, SECOND);
    expect(own.headers[headerOf('CRC32C')]).toBe(sumsOf('CRC32C')[1]);
    const free = await beginUpload(bench, 'free');
    const listed: Listed[] = [];
    for (const [at, name] of (['SHA1', 'CRC32'] as const).entries()) {
      const sum = sumsOf(name)[1] ?? '';
      const reply = await free.part(1, SECOND, [[headerOf(name), sum]]);
      expect([outcome(reply), reply.headers[headerOf(name)]]).toEqual(['200', sum]);
      const etag = String(reply.headers['etag']);
      if (at === 1) listed.push({ number: 1, etag, extra: `<Checksum${name}>${sum}</Checksum${name}>` });
    }
    const done = await free.complete(listed);
    expect([outcome(done), elements(done, 'ChecksumCRC32')]).toEqual(['200', []]);
    await declared.abort();
  });

  describe('on Complete', () => {
    let upload: Upload;
    let listed: Listed[];
    const other = referenceChecksum('CRC32', Buffer.from('other'));
    beforeAll(async () => {
      ({ upload, listed } = await begun('complete', 'CRC32', 'FULL_OBJECT'));
    });

    const refused: [string, () => Listed[], Header[], string][] = [
      ['a wrong checksum of the object', () => listed, [[headerOf('CRC32'), other]], '400 BadDigest'],
      ['a malformed one', () => listed, [[headerOf('CRC32'), 'AAA']], '400 BadDigest'],
      ['a composite one', () => listed, [[headerOf('CRC32'), expected('CRC32', 'COMPOSITE')]], '400 BadDigest'],
      [
        'one of another algorithm',
        () => listed,
        [[headerOf('SHA1'), fullSums.get('SHA1') ?? '']],
        '400 InvalidRequest',
      ],
      ['another type', () => listed, [['x-amz-checksum-type', 'COMPOSITE']], '400 InvalidRequest'],
      ['a wrong one of a part', () => mixed(`<ChecksumCRC32>${other}</ChecksumCRC32>`), [], '400 InvalidPart'],
      ['a malformed one of a part', () => mixed('<ChecksumCRC32>no</ChecksumCRC32>'), [], '400 InvalidPart'],
      ['a part with another algorithm', () => mixed('<ChecksumSHA1>AA==</ChecksumSHA1>'), [], '400 InvalidRequest'],
    ];
    const mixed = (extra: string): Listed[] => listed.map((part, at) => (at === 1 ? { ...part, extra } : part));

    it.each(refused)('%s', async (_name, parts, headers, wanted) => {
      expect(outcome(await upload.complete(parts(), headers))).toBe(wanted);
      expect(outcome(await upload.get())).toBe('404 NoSuchKey');
    });

    it('a checksum that the upload has not cannot be promised', async () => {
      const plain = await beginUpload(bench, 'plain');
      const part = await plain.put(1, SECOND);
      const promise: Header = [headerOf('CRC32'), sumsOf('CRC32')[1] ?? ''];
      expect(outcome(await plain.complete([part], [promise]))).toBe('400 InvalidRequest');
      expect(outcome(await plain.complete([part]))).toBe('200');
    });

    it('a composite one is taken with and without its number of parts', async () => {
      for (const text of [expected('SHA256', 'COMPOSITE'), expected('SHA256', 'COMPOSITE').replace(/-2$/, '')]) {
        const one = await begun('numbered', 'SHA256');
        expect(outcome(await one.upload.complete(one.listed, [[headerOf('SHA256'), text]]))).toBe('200');
        await expectReturned(one.upload, 'SHA256', 'COMPOSITE');
      }
    });
  });
});
