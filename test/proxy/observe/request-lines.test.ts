/**
 * Protects: the line of a request says who asked, from where, how much went each way and where the time went; the same in S3's
 * server access log format; neither can be forged by what a client sends, and neither holds a query or a credential.
 */
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HostHint } from '../../../proxy/observe/host-hint.ts';
import type { RequestLine } from '../../../proxy/observe/request-fields.ts';
import { accessLogLine } from '../../../proxy/observe/s3-access-log.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

const last = async (operation: string) => {
  const find = () => bench.proxy.log.findLast((line) => line['operation'] === operation);
  await expect.poll(find).toBeDefined();
  return find() ?? {};
};

describe('as JSON', () => {
  test('bytes of both bodies, the address, the agent, and how long the store took', async () => {
    const path = `/${bench.bucket}/key`;
    await bench.send({ method: 'PUT', path, body: 'x'.repeat(1234), headers: [['user-agent', 'agent/1.0']] });
    const put = await last('PutObject');
    expect(put).toMatchObject({ client: '127.0.0.1', agent: 'agent/1.0', bytesIn: 1234, bytesOut: 0, status: 200 });
    expect(put['backendRequests']).toBeGreaterThan(0);
    expect(put['backendMs']).toBeGreaterThan(0);
    expect(put['firstByteMs']).toBeGreaterThan(0);
    expect(put['firstByteMs']).toBeLessThanOrEqual(put['ms'] as number);
    expect(put).not.toHaveProperty('tls');
    await bench.send({ method: 'GET', path, headers: [['range', 'bytes=0-99']] });
    expect(await last('GetObject')).toMatchObject({ bytesIn: 0, bytesOut: 100, status: 206 });
  });

  test('of a presigned URL: the path, and nothing of its query', async () => {
    const url = await getSignedUrl(bench.s3, new GetObjectCommand({ Bucket: bench.bucket, Key: 'key' }), {
      expiresIn: 60,
    });
    expect((await fetch(url)).status).toBe(200);
    const line = JSON.stringify(await last('GetObject'));
    for (const [name, value] of new URL(url).searchParams) {
      if (value.length > 8 && name !== 'x-id') expect(line).not.toContain(value);
    }
    expect(line).not.toContain('X-Amz');
  });

  test('a refused signature names method and path, and nothing of the query', async () => {
    const reply = await fetch(`${bench.proxy.endpoint}/${bench.bucket}/a%20b?X-Amz-Signature=abc&X-Amz-Algorithm=x`);
    expect(reply.status).toBeGreaterThanOrEqual(400);
    const [event] = bench.events('signature-refused').slice(-1);
    expect(event).toMatchObject({ method: 'GET', path: `/${bench.bucket}/a%20b` });
    expect(JSON.stringify(event)).not.toContain('X-Amz');
  });
});

const LINE: RequestLine = {
  time: new Date('2026-11-07T03:04:05.678Z'),
  requestId: 'AJVMGZ81T3DZYFXB',
  operation: 'GetObject',
  method: 'GET',
  path: '/photos/a%20b/c.bin',
  bucket: 'photos',
  key: 'a b/c.bin',
  versionId: undefined,
  status: 206,
  code: undefined,
  cut: false,
  cutBy: undefined,
  tenant: '00bd8a245a0f332f278bc9af',
  accessKey: 'cd8a554b3d9c',
  client: '192.0.2.7',
  agent: 'aws-cli/2.30',
  host: 's3.example.test:8443',
  bytesIn: 0,
  bytesOut: 100,
  objectBytes: 100,
  ms: 28.96,
  firstByteMs: 20.4,
  backendMs: 12,
  backendRequests: 2,
  tls: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  authentication: 'AuthHeader',
};

/** Fields as a reader of such logs finds them: words, `[...]` or `"..."`. */
const fields = (line: string) => line.match(/\[[^\]]*\]|"[^"]*"|\S+/g) ?? [];

describe("in S3's format", () => {
  test("has AWS's fields in AWS's order", () => {
    expect(accessLogLine(LINE)).toBe(
      '00bd8a245a0f332f278bc9af photos [07/Nov/2026:03:04:05 +0000] 192.0.2.7 00bd8a245a0f332f278bc9af AJVMGZ81T3DZYFXB ' +
        'REST.GET.OBJECT a%20b/c.bin "GET /photos/a%20b/c.bin HTTP/1.1" 206 - 100 100 29 20 "-" "aws-cli/2.30" - ' +
        'AJVMGZ81T3DZYFXB SigV4 TLS_AES_256_GCM_SHA384 AuthHeader s3.example.test:8443 TLSv1.3 - -',
    );
  });

  test.each([
    ['PutObject', 'PUT', 'key', 'REST.PUT.OBJECT'],
    ['CopyObject', 'PUT', 'key', 'REST.COPY.OBJECT'],
    ['UploadPart', 'PUT', 'key', 'REST.PUT.PART'],
    ['CreateMultipartUpload', 'POST', 'key', 'REST.POST.UPLOADS'],
    ['CompleteMultipartUpload', 'POST', 'key', 'REST.POST.UPLOAD'],
    ['DeleteObjects', 'POST', undefined, 'REST.POST.MULTI_OBJECT_DELETE'],
    ['ListObjectsV2', 'GET', undefined, 'REST.GET.BUCKET'],
    ['none', 'GET', undefined, 'REST.GET.BUCKET'],
  ])('%s', (operation, method, key, expected) => {
    expect(fields(accessLogLine({ ...LINE, operation, method, key }))[6]).toBe(expected);
  });

  test('nothing that a client sends makes another field or another line', () => {
    const evil = 'x" 200 - "y\n[z] \\ ü\u2028\ud800';
    const line = accessLogLine({
      ...LINE,
      agent: evil,
      host: evil,
      key: evil.toWellFormed(),
      path: evil,
      bucket: evil,
      versionId: evil,
    });
    expect(line).toMatch(/^[\x20-\x7e]+$/);
    expect(fields(line)).toHaveLength(fields(accessLogLine(LINE)).length);
    expect(fields(line)[9]).toBe('206');
  });

  test('what is not known is a hyphen', () => {
    const none = {
      bucket: undefined,
      key: undefined,
      tenant: undefined,
      agent: undefined,
      host: undefined,
      tls: undefined,
    };
    const bare = {
      ...LINE,
      ...none,
      cipher: undefined,
      authentication: undefined,
      objectBytes: undefined,
      firstByteMs: undefined,
    };
    expect(accessLogLine({ ...bare, bytesOut: 0, code: 'AccessDenied', status: 403 })).toBe(
      '- - [07/Nov/2026:03:04:05 +0000] 192.0.2.7 - AJVMGZ81T3DZYFXB REST.GET.SERVICE - "GET /photos/a%20b/c.bin HTTP/1.1" ' +
        '403 AccessDenied - - 29 - "-" "-" - AJVMGZ81T3DZYFXB - - - - - - -',
    );
  });
});

describe('a bucket in a host that is not configured', () => {
  const hinted = (
    hostnames: readonly string[],
    ...lines: readonly Pick<RequestLine, 'host' | 'operation' | 'code'>[]
  ) => {
    const told: string[] = [];
    const hint = new HostHint({
      hostnames,
      log: { warn: (_: unknown, text: string) => void told.push(text) } as never,
    });
    for (const line of lines) hint.note(line);
    return told;
  };
  const created = { operation: 'CreateBucket', code: undefined };

  test('is told once, with the setting that is missing', () => {
    const line = { ...created, host: 'app-data.s3.test:8080' };
    expect(hinted([], line, line)).toEqual([
      expect.stringContaining("'app-data' is meant to be a bucket, set SEALGATE_HOSTNAMES=s3.test"),
    ]);
    expect(hinted([], { host: 'data.s3.test', operation: 'PutObject', code: 'NoSuchBucket' })).toHaveLength(1);
    expect(hinted(['s3.example.test'], line)).toHaveLength(1);
  });

  test.each([
    ['a configured host', { ...created, host: 's3.test' }],
    ['a bucket below it', { ...created, host: 'b.s3.test' }],
    ['an address', { ...created, host: '192.0.2.1:8080' }],
    ['an address of IPv6', { ...created, host: '[2001:db8::1]:8080' }],
    ['a single name', { ...created, host: 'localhost:8080' }],
    ['what worked', { host: 'x.y.test', operation: 'GetObject', code: undefined }],
  ])('%s is none', (_name, line) => {
    expect(hinted(['s3.test'], line)).toEqual([]);
  });

  test('the whole way: a PUT that becomes CreateBucket', async () => {
    const host = 'app-data.s3.test';
    await bench.send({ method: 'PUT', path: '/hello1', headers: [['host', host]] });
    const find = () => bench.proxy.log.find(({ host: of, level }) => of === host && level === 'warn');
    await expect.poll(find).toMatchObject({ msg: expect.stringContaining('SEALGATE_HOSTNAMES=s3.test') });
  });
});
