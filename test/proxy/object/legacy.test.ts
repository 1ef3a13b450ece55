/**
 * Objects that were there before: passed through byte for byte with their own ETag, headers and ranges, whatever they look
 * like; refused when the operator says so; and told apart from sealed ones by nothing that a plain object can have by chance
 * (seen elsewhere: "base64 starting with 0x01 is encrypted").
 */
import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { PART_MAGIC } from '../../../crypto/layout.ts';
import { openBench, sharedBench } from '../../helpers/bench.ts';
import { objectPath } from '../../helpers/raw-client.ts';
import { storeDirectly } from '../../helpers/stored.ts';

const bench = sharedBench();

const md5 = (data: Buffer): string => createHash('md5').update(data).digest('hex');

const LOOKALIKES: Readonly<Record<string, Buffer>> = {
  empty: Buffer.alloc(0),
  'one byte': Buffer.from([1]),
  text: Buffer.from('plain text'),
  'random bytes': randomBytes(5000),
  'base64 that begins with 1': Buffer.from(Buffer.concat([Buffer.from([1]), randomBytes(300)]).toString('base64')),
  'an age file': Buffer.from('age-encryption.org/v1\n-> X25519 abc\n'),
  'a PGP message': Buffer.from('-----BEGIN PGP MESSAGE-----\n\nhQEMA\n'),
  'a salted OpenSSL file': Buffer.concat([Buffer.from('Salted__'), randomBytes(100)]),
  'the magic, one byte short': PART_MAGIC.subarray(0, 15),
  'the magic, its last byte wrong': Buffer.concat([PART_MAGIC.subarray(0, 15), Buffer.from([0xff]), randomBytes(100)]),
  'the magic, one byte late': Buffer.concat([Buffer.from([0]), PART_MAGIC, randomBytes(100)]),
  'larger than a small body': randomBytes(1_300_000),
};

describe('passed through', () => {
  test.each(Object.keys(LOOKALIKES))('%s', async (name) => {
    const body = LOOKALIKES[name] ?? Buffer.alloc(0);
    const key = `legacy/${name}`;
    const headers = { 'content-type': 'text/x-test', 'cache-control': 'no-store', 'content-language': 'it' };
    await storeDirectly(bench.backend.inner, { bucket: bench.bucket, key, body, metadata: { colour: 'red' }, headers });
    const path = objectPath(bench.bucket, key);
    for (const method of ['GET', 'HEAD']) {
      const reply = await bench.send({ method, path });
      expect([reply.status, reply.headers['etag']]).toEqual([200, `"${md5(body)}"`]);
      expect(reply.headers).toMatchObject({
        ...headers,
        'x-amz-meta-colour': 'red',
        'content-length': String(body.length),
      });
      if (method === 'GET') expect(reply.body.equals(body)).toBe(true);
    }
    const list = await bench.send({
      method: 'GET',
      path: `/${bench.bucket}`,
      query: `list-type=2&prefix=${encodeURIComponent(key)}`,
    });
    expect(list.body.toString()).toContain(`<ETag>&quot;${md5(body)}&quot;</ETag>`);
    expect(list.body.toString()).toContain(`<Size>${body.length}</Size>`);
  });

  test('ranges and conditions are those of the plain object', async () => {
    const body = randomBytes(1000);
    await storeDirectly(bench.backend.inner, { bucket: bench.bucket, key: 'legacy/ranged', body });
    const path = objectPath(bench.bucket, 'legacy/ranged');
    for (const [range, start, end] of [
      ['0-9', 0, 10],
      ['5-', 5, 1000],
      ['-7', 993, 1000],
      ['0-', 0, 1000],
      ['999-2000', 999, 1000],
      ['3-20', 3, 21],
    ] as const) {
      const reply = await bench.send({ method: 'GET', path, headers: [['range', `bytes=${range}`]] });
      expect([range, reply.status, reply.headers['content-range']]).toEqual([
        range,
        206,
        `bytes ${start}-${end - 1}/1000`,
      ]);
      expect(reply.body.equals(body.subarray(start, end))).toBe(true);
    }
    expect((await bench.send({ method: 'GET', path, headers: [['range', 'bytes=1000-']] })).status).toBe(416);
    expect((await bench.send({ method: 'GET', path, headers: [['if-none-match', `"${md5(body)}"`]] })).status).toBe(
      304,
    );
    expect((await bench.send({ method: 'GET', path, headers: [['if-match', '"other"']] })).status).toBe(412);
  });

  test('a PUT over a plain object seals it', async () => {
    await storeDirectly(bench.backend.inner, { bucket: bench.bucket, key: 'legacy/replaced', body: 'plain' });
    const path = objectPath(bench.bucket, 'legacy/replaced');
    const ifMatch = [['if-match', `"${md5(Buffer.from('plain'))}"`] as const];
    expect((await bench.send({ method: 'PUT', path, headers: ifMatch, body: 'sealed' })).status).toBe(200);
    const signal = AbortSignal.timeout(60_000);
    const stored = await bench.backend.inner.send({
      method: 'HEAD',
      bucket: bench.bucket,
      key: 'legacy/replaced',
      signal,
    });
    expect(stored.headers['x-amz-meta-enc-algo']).toBe('sealgate-1');
    expect((await bench.send({ method: 'GET', path })).body.toString()).toBe('sealed');
  });

  test('deleting a plain object works as on S3', async () => {
    await storeDirectly(bench.backend.inner, { bucket: bench.bucket, key: 'legacy/deleted', body: 'x' });
    expect((await bench.send({ method: 'DELETE', path: objectPath(bench.bucket, 'legacy/deleted') })).status).toBe(204);
    expect((await bench.send({ method: 'GET', path: objectPath(bench.bucket, 'legacy/deleted') })).status).toBe(404);
  });
});

test.each([16, 64, 1000, 1_300_000])(
  '%i bytes that begin with the magic are refused before any of them goes out',
  async (size) => {
    const key = `disguised/${size}`;
    const body = Buffer.concat([PART_MAGIC, Buffer.alloc(size - 16, 'x')]);
    await storeDirectly(bench.backend.inner, { bucket: bench.bucket, key, body });
    const path = objectPath(bench.bucket, key);
    const events = bench.events('metadata-tampered').length;
    for (const headers of [
      [],
      [['range', 'bytes=0-'] as const],
      [['range', 'bytes=0-15'] as const],
      [['if-none-match', '"x"'] as const],
    ]) {
      const reply = await bench.send({ method: 'GET', path, headers });
      expect([reply.status, reply.code]).toEqual([500, 'InternalError']);
    }
    expect(bench.events('metadata-tampered').length).toBe(events + 4);
  },
);

describe('by policy', () => {
  test('deny: refused everywhere, and sealed objects are not', async () => {
    const strict = await openBench({ config: { legacy: { kind: 'deny' } } });
    await storeDirectly(strict.backend.inner, { bucket: strict.bucket, key: 'plain', body: 'plain' });
    const path = objectPath(strict.bucket, 'plain');
    for (const headers of [[], [['range', 'bytes=0-1'] as const]]) {
      const reply = await strict.send({ method: 'GET', path, headers });
      expect([reply.status, reply.code]).toEqual([403, 'AccessDenied']);
      expect(reply.body.toString()).toContain('SEALGATE_LEGACY');
    }
    expect((await strict.send({ method: 'HEAD', path })).status).toBe(403);
    // One for each of the three that was refused; a listing reads nothing.
    const refusals = () => strict.events('unencrypted-object').map(({ bucket, key }) => [bucket, key]);
    expect(refusals()).toEqual(Array.from({ length: 3 }, () => [strict.bucket, 'plain']));
    const list = await strict.send({ method: 'GET', path: `/${strict.bucket}`, query: 'list-type=2' });
    expect(list.body.toString()).toContain('<Key>plain</Key>');
    expect(refusals()).toHaveLength(3);
    const sealed = objectPath(strict.bucket, 'sealed');
    await strict.send({ method: 'PUT', path: sealed, body: 'x' });
    expect((await strict.send({ method: 'GET', path: sealed })).body.toString()).toBe('x');
    await strict.close();
  });

  test.each([
    ['before a time in the future', Date.parse('2200-01-01T00:00:00Z'), 200],
    ['before a time in the past', Date.parse('2020-01-01T00:00:00Z'), 403],
  ])('%s', async (_, time, status) => {
    const some = await openBench({ config: { legacy: { kind: 'before', time } } });
    await storeDirectly(some.backend.inner, { bucket: some.bucket, key: 'plain', body: 'plain' });
    expect((await some.send({ method: 'GET', path: objectPath(some.bucket, 'plain') })).status).toBe(status);
    expect((await some.send({ method: 'HEAD', path: objectPath(some.bucket, 'plain') })).status).toBe(status);
    await some.close();
  });
});
