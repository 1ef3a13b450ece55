/**
 * What somebody signed holds for the bucket, key and headers that it names, and for nothing else: a URL for one bucket does not
 * reach another through the Host header, a form's policy that names no bucket serves none, and headers in a query are such as a
 * header could be.
 */
import { createHmac } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { sharedBench } from '../helpers/bench.ts';
import { type Header, presignQuery, type RawReply, sendRaw, withLength } from '../helpers/raw-client.ts';
import { storedKeys } from '../helpers/stored.ts';

const BASE = 's3.example.test';
const bench = sharedBench({ config: { hostnames: [BASE, 'second.example.test'] } });
let other: string;

beforeAll(async () => {
  other = `${bench.bucket}-other`;
  await bench.send({ method: 'PUT', path: `/${other}` });
});

interface Visit {
  readonly method: string;
  readonly path: string;
  readonly query?: string;
  /** Host when signed, and when sent. */
  readonly signedHost: string;
  readonly host?: string;
  readonly body?: string;
}

function visit(o: Visit): Promise<RawReply> {
  const request = { method: o.method, path: o.path, query: o.query ?? '' };
  const query = presignQuery(request, bench.tenant, o.signedHost);
  const headers: Header[] = [['host', o.host ?? o.signedHost]];
  const body = o.body === undefined ? {} : { body: o.body };
  return sendRaw(bench.proxy.endpoint, {
    method: o.method,
    target: `${o.path}?${query}`,
    headers: withLength({ ...request, ...body }, headers),
    ...body,
  });
}

describe('a presigned URL', () => {
  test('whose parameters come twice is refused in either order, though both are signed', async () => {
    const path = `/${bench.bucket}/twice`;
    expect((await bench.send({ method: 'PUT', path, body: 'x' })).status).toBe(200);
    for (const twice of [
      'response-content-type=text%2Fplain&response-content-type=text%2Fhtml',
      'response-content-type=text%2Fhtml&response-content-type=text%2Fplain',
      'versionId=null&versionId=other',
      'x-amz-expected-bucket-owner=1&X-Amz-Expected-Bucket-Owner=2',
      'unknown=1&unknown=2',
    ]) {
      const refused = await visit({ method: 'GET', path, query: twice, signedHost: BASE });
      expect([twice, refused.status, refused.code]).toEqual([twice, 400, 'InvalidArgument']);
    }
    const signed = await bench.send({ method: 'GET', path: `/${bench.bucket}`, query: 'prefix=a&prefix=b' });
    expect([signed.status, signed.code]).toEqual([400, 'InvalidArgument']);
  });

  test('for a bucket in the path does not write to the bucket in another Host', async () => {
    const path = `/${bench.bucket}/upload`;
    const put = { method: 'PUT', path, signedHost: BASE, body: 'x' };
    const moved = await visit({ ...put, host: `${other}.${BASE}` });
    expect([moved.status, moved.code]).toEqual([403, 'SignatureDoesNotMatch']);
    expect(await storedKeys(bench.backend, other)).toEqual([]);
    expect((await visit(put)).status).toBe(200);
  });

  test('does not read from the bucket in another Host', async () => {
    const key = `${bench.bucket}/secret`;
    expect((await bench.send({ method: 'PUT', path: `/${other}/${key}`, body: 'secret' })).status).toBe(200);
    const moved = await visit({ method: 'GET', path: `/${key}`, signedHost: BASE, host: `${other}.${BASE}` });
    expect([moved.status, moved.code]).toEqual([403, 'SignatureDoesNotMatch']);
  });

  test.each([
    ['the bucket in the path', () => ({ path: `/${bench.bucket}/balanced`, signedHost: BASE, host: '10.0.0.7' })],
    [
      'the bucket in the name',
      () => ({
        path: '/balanced',
        signedHost: `${bench.bucket}.${BASE}`,
        host: `${bench.bucket}.second.example.test`,
      }),
    ],
  ])('stays good when a balancer rewrites Host and leaves %s', async (_what, address) => {
    expect((await visit({ method: 'PUT', body: 'x', ...address() })).status).toBe(200);
  });

  test.each([
    ['a line end in a value', 'x-amz-meta-n=a%0D%0Ab'],
    ['a NUL in a value', 'x-amz-meta-n=a%00'],
    ['a space in a name', 'x-amz-meta-n%20m=a'],
    ['a colon in a name', 'x-amz-meta-n%3Am=a'],
  ])('with %s is refused, and stores nothing that no reply could carry', async (_what, query) => {
    const path = `/${bench.bucket}/headers`;
    const put = await visit({ method: 'PUT', path, query, signedHost: BASE, body: 'x' });
    expect([put.status, put.code]).toEqual([400, 'InvalidArgument']);
    expect((await bench.send({ method: 'GET', path })).status).toBe(404);
  });
});

describe('a copy source', () => {
  test.each(['.', '..', '%2e%2e', '.%2F', 'a', 'arn:aws:s3:::sealgate-state'])(
    'whose bucket is %s is no bucket, whatever the backend would make of it',
    async (name) => {
      const copy = () =>
        bench.send({
          method: 'PUT',
          path: `/${bench.bucket}/copy`,
          headers: [['x-amz-copy-source', `${name}/sealgate-state/x`]],
        });
      const { result, requests } = await bench.watch(copy);
      expect([result.status, result.code]).toEqual([400, 'InvalidBucketName']);
      expect(requests).toEqual([]);
    },
  );
});

const BOUNDARY = 'limit';

/** A form signed by the tenant. `fields` stand in it besides key and authority. */
function postForm(o: { conditions: readonly unknown[]; fields?: readonly (readonly [string, string])[] }) {
  const { accessKeyId, secretAccessKey } = bench.tenant;
  const date = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const scope = [date.slice(0, 8), 'us-east-1', 's3', 'aws4_request'];
  const own = [
    ['key', 'posted'],
    ['x-amz-algorithm', 'AWS4-HMAC-SHA256'],
    ['x-amz-credential', `${accessKeyId}/${scope.join('/')}`],
    ['x-amz-date', date],
    ...(o.fields ?? []),
  ] as const;
  const conditions = [...own.map(([name]) => ['starts-with', `$${name}`, '']), ...o.conditions];
  const expiration = new Date(Date.now() + 600_000).toISOString();
  const policy = Buffer.from(JSON.stringify({ expiration, conditions })).toString('base64');
  const hmac = (key: Buffer | string, text: string) => createHmac('sha256', key).update(text).digest();
  const key = scope.reduce<Buffer | string>(hmac, `AWS4${secretAccessKey}`);
  const all = [...own, ['policy', policy], ['x-amz-signature', hmac(key, policy).toString('hex')]];
  const parts = all.map(([name, value]) => `Content-Disposition: form-data; name="${name}"\r\n\r\n${value}`);
  const file = 'Content-Disposition: form-data; name="file"; filename="f"\r\n\r\ncontents';
  const body = `${[...parts, file].map((part) => `--${BOUNDARY}\r\n${part}\r\n`).join('')}--${BOUNDARY}--\r\n`;
  const headers: Header[] = [
    ['host', new URL(bench.proxy.endpoint).host],
    ['content-type', `multipart/form-data; boundary=${BOUNDARY}`],
    ['content-length', String(Buffer.byteLength(body))],
  ];
  return sendRaw(bench.proxy.endpoint, { method: 'POST', target: `/${bench.bucket}`, headers, body });
}

describe('a form', () => {
  test('whose policy names no bucket is refused: the signature alone would let it go to any', async () => {
    const reply = await postForm({ conditions: [] });
    expect([reply.status, reply.code]).toEqual([403, 'AccessDenied']);
    expect((await postForm({ conditions: [{ bucket: bench.bucket }] })).status).toBe(204);
    expect((await postForm({ conditions: [{ bucket: other }] })).status).toBe(403);
  });

  test.each([
    ['a line end in a value', 'x-amz-meta-note', 'two\r\nlines'],
    ['a space in a name', 'x-amz-meta-my note', 'text'],
  ])('with %s is refused, since no reply could carry it', async (_what, name, value) => {
    const reply = await postForm({ conditions: [{ bucket: bench.bucket }], fields: [[name, value]] });
    expect([reply.status, reply.code]).toEqual([400, 'InvalidArgument']);
  });
});
