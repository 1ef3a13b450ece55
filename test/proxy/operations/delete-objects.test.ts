/**
 * Protects: DeleteObjects deletes exactly what the caller named. A list without a digest is refused as S3 refuses it, since bytes
 * damaged on the way would name something else; so is one whose names have no one spelling, which the proxy and the backend
 * could read differently.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { sharedBench } from '../../helpers/bench.ts';
import { framed, type Header, md5Header, objectPath, type RawRequest } from '../../helpers/raw-client.ts';
import { ALGORITHMS, referenceChecksum } from '../../helpers/reference-checksums.ts';

const bench = sharedBench();

const LIST = Buffer.from('<Delete><Object><Key>a</Key></Object></Delete>');
/** What misread names could be taken for: U+FFFD stands where text could not be decoded. */
const KEYS = ['a', 'b', '\ufffd', 'a\ufffd'];

beforeEach(async () => {
  for (const key of KEYS) await bench.send({ method: 'PUT', path: objectPath(bench.bucket, key), body: 'x' });
});

const remaining = async () => {
  const found = await Promise.all(
    KEYS.map(async (key) => (await bench.send({ method: 'HEAD', path: objectPath(bench.bucket, key) })).status === 200),
  );
  return KEYS.filter((_, index) => found[index]);
};
const remove = (o: Partial<RawRequest>) =>
  bench.send({ method: 'POST', path: `/${bench.bucket}`, query: 'delete', body: LIST, ...o });

describe('a digest of the list', () => {
  const checksum = (name: (typeof ALGORITHMS)[number], of: Buffer): Header => [
    `x-amz-checksum-${name.toLowerCase()}`,
    referenceChecksum(name, of),
  ];

  test.each<[name: string, headers: readonly Header[]]>([
    ['is missing', []],
    ['is only asked for', [['x-amz-checksum-algorithm', 'SHA256']]],
  ])('that %s: InvalidRequest, and nothing is deleted', async (_, headers) => {
    const reply = await remove({ headers });
    expect([reply.status, reply.code]).toEqual([400, 'InvalidRequest']);
    expect(reply.body.toString()).toContain(
      'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
    );
    expect(await remaining()).toEqual(KEYS);
  });

  test('may be an MD5, or a checksum of any algorithm', async () => {
    let accepted = 0;
    for (const header of [md5Header(LIST), ...ALGORITHMS.map((name) => checksum(name, LIST))]) {
      await bench.send({ method: 'PUT', path: objectPath(bench.bucket, 'a'), body: 'x' });
      expect((await remove({ headers: [header] })).status, header[0]).toBe(200);
      expect(await remaining()).toEqual(KEYS.slice(1));
      accepted += 1;
    }
    expect(accepted).toBe(1 + ALGORITHMS.length);
  });

  test('may come in a trailer', async () => {
    const headers: Header[] = [
      ['x-amz-decoded-content-length', String(LIST.length)],
      ['x-amz-trailer', 'x-amz-checksum-crc32'],
    ];
    const trailer = checksum('CRC32', LIST).join(':');
    const body = framed(LIST, { chunkBytes: 64, trailer });
    expect((await remove({ headers, payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', body })).status).toBe(200);
    expect(await remaining()).toEqual(KEYS.slice(1));
  });

  test.each([
    ['MD5', () => md5Header('other'), 'BadDigest'],
    ['checksum', () => checksum('SHA256', Buffer.from('other')), 'BadDigest'],
  ] as const)('that is another list’s %s: %s', async (_, header, code) => {
    expect((await remove({ headers: [header()] })).code).toBe(code);
    expect(await remaining()).toEqual(KEYS);
  });
});

test.each([
  ['bytes that are not UTF-8', Buffer.from('<Delete><Object><Key>a\xff</Key></Object></Delete>', 'latin1')],
  ['one byte that is not UTF-8', Buffer.from('<Delete><Object><Key>\xff</Key></Object></Delete>', 'latin1')],
  ['half of a surrogate pair', Buffer.from('<Delete><Object><Key>a&#xD800;</Key></Object></Delete>')],
  ['both halves, one by one', Buffer.from('<Delete><Object><Key>&#xd83d;&#56832;</Key></Object></Delete>')],
  ['elements inside a name', Buffer.from('<Delete><Object><Key>a<b/></Key></Object></Delete>')],
])('a name with %s is no name, and nothing is deleted', async (_, body) => {
  const reply = await remove({ headers: [md5Header(body)], body });
  expect([reply.status, reply.code]).toEqual([400, 'MalformedXML']);
  expect(await remaining()).toEqual(KEYS);
});

test('of two names in one row the first counts, for the grants and for the backend', async () => {
  const tenant = await bench.proxy.createTenant([{ bucket: bench.bucket, prefix: 'mine/', access: 'read-write' }]);
  const two = (first: string, second: string) =>
    `<Delete><Object><Key>${first}</Key><Key>${second}</Key></Object></Delete>`;
  for (const body of [two('mine/x', 'a'), two('a', 'mine/x')]) {
    const request = { method: 'POST', path: `/${bench.bucket}`, query: 'delete', headers: [md5Header(body)], body };
    expect((await bench.send(request, tenant)).status).toBe(200);
    expect(await remaining()).toEqual(KEYS);
  }
});

test.each([
  ['a control character', 'a\u0001'],
  ['a reference to one', 'a&#x1;'],
  ['a reference in decimal digits', 'a&#31;'],
  ['a character that is none', '\uffff'],
])('%s in a key: MalformedXML, and nothing of the list is deleted', async (_, key) => {
  const list = Buffer.from(`<Delete><Object><Key>b</Key></Object><Object><Key>${key}</Key></Object></Delete>`);
  const reply = await remove({ body: list, headers: [md5Header(list)] });
  expect([reply.status, reply.code]).toEqual([400, 'MalformedXML']);
  expect(await remaining()).toEqual(KEYS);
});

test('no document of a client holds a control character', async () => {
  const tags = Buffer.from('<Tagging><TagSet><Tag><Key>k</Key><Value>a\u0001</Value></Tag></TagSet></Tagging>');
  const path = objectPath(bench.bucket, 'a');
  const reply = await bench.send({ method: 'PUT', path, query: 'tagging', body: tags, headers: [md5Header(tags)] });
  expect([reply.status, reply.code]).toEqual([400, 'MalformedXML']);
});
