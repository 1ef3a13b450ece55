/**
 * Protects: answers that clients and suites compare with S3's, where a store or this proxy gave others: which of two missing things
 * is named, the markers of a page, refusals in their order, and checksums of a form's file.
 */
import { Readable } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { errorReply } from '../../helpers/backend-reply.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { framed, type Header } from '../../helpers/raw-client.ts';
import { referenceChecksum } from '../../helpers/reference-checksums.ts';

const bench = sharedBench();
afterEach(() => {
  bench.backend.intercept = (request, next) => next(request);
});

describe('a bucket that is not there', () => {
  const COMPLETE = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"${'0'.repeat(32)}"</ETag></Part></CompleteMultipartUpload>`;
  test.each<[string, string, string, string, Header[]]>([
    ['UploadPart', 'PUT', 'partNumber=1&uploadId=u', 'part', []],
    ['UploadPartCopy', 'PUT', 'partNumber=1&uploadId=u', '', [['x-amz-copy-source', 'BUCKET/source']]],
    ['ListParts', 'GET', 'uploadId=u', '', []],
    ['CompleteMultipartUpload', 'POST', 'uploadId=u', COMPLETE, []],
    ['AbortMultipartUpload', 'DELETE', 'uploadId=u', '', []],
  ])('%s names it, and not the upload', async (_, method, query, body, headers) => {
    const source = headers.map(([name, value]): Header => [name, value.replace('BUCKET', bench.bucket)]);
    const reply = await bench.send({ method, path: '/no-such-bucket/k', query, body, headers: source });
    expect([reply.status, reply.code]).toEqual([404, 'NoSuchBucket']);
    expect(reply.body.toString()).toContain('<BucketName>no-such-bucket</BucketName>');
    const there = await bench.send({ method, path: `/${bench.bucket}/k`, query, body, headers: source });
    expect([there.status, there.code]).toEqual([404, 'NoSuchUpload']);
    expect(there.body.toString()).toContain('<UploadId>u</UploadId>');
  });
});

test('a version id that the store refuses without naming it is named', async () => {
  bench.backend.intercept = () =>
    Promise.resolve({
      status: 400,
      headers: {},
      body: Readable.from([
        Buffer.from('<Error><Code>InvalidArgument</Code><Message>Invalid version id specified</Message></Error>'),
      ]),
    });
  const reply = await bench.send({
    method: 'GET',
    path: `/${bench.bucket}/k`,
    query: 'attributes&versionId=not-one',
    headers: [['x-amz-object-attributes', 'ETag']],
  });
  expect([reply.status, reply.code]).toEqual([400, 'InvalidArgument']);
  expect(reply.body.toString()).toContain(
    '<ArgumentName>versionId</ArgumentName><ArgumentValue>not-one</ArgumentValue>',
  );
});

describe('a condition that fails', () => {
  test.each(['put', 'copy', 'complete'] as const)('is named where the store leaves its name out: %s', async (kind) => {
    const path = `/${bench.bucket}/once-${kind}`;
    await bench.send({ method: 'PUT', path, body: 'there' });
    bench.backend.intercept = async (request, next) => {
      const response = await next(request);
      if (response.status !== 412) return response;
      response.body.resume();
      return errorReply(request, { status: 412, code: 'PreconditionFailed' });
    };
    const unless: Header = ['if-none-match', '*'];
    const asked = {
      put: async () => ({ method: 'PUT', path, body: 'x', headers: [unless] }),
      copy: async () => {
        const source: Header = ['x-amz-copy-source', path];
        return { method: 'PUT', path, headers: [unless, source, ['x-amz-metadata-directive', 'REPLACE'] as Header] };
      },
      complete: async () => {
        const created = await bench.send({ method: 'POST', path, query: 'uploads' });
        const [, uploadId = ''] = /<UploadId>([^<]+)/.exec(created.body.toString()) ?? [];
        const query = `uploadId=${uploadId}`;
        const part = await bench.send({ method: 'PUT', path, query: `partNumber=1&${query}`, body: 'part' });
        const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers['etag']}</ETag></Part></CompleteMultipartUpload>`;
        return { method: 'POST', path, query, body, headers: [unless] };
      },
    };
    const reply = await bench.send(await asked[kind]());
    expect([reply.status, reply.code]).toEqual([412, 'PreconditionFailed']);
    expect(reply.body.toString()).toContain('<Condition>If-None-Match</Condition>');
  });
});

describe('a page of versions', () => {
  const row = (key: string, version: string) =>
    `<Version><Key>${key}</Key><VersionId>${version}</VersionId><IsLatest>true</IsLatest><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"a"</ETag><Size>1</Size></Version>`;
  const page = (inner: string) =>
    `<ListVersionsResult><IsTruncated>true</IsTruncated><NextVersionIdMarker></NextVersionIdMarker>${inner}</ListVersionsResult>`;

  async function listed(document: string): Promise<string> {
    bench.backend.intercept = (request, next) =>
      request.query?.some(([name]) => name === 'versions') === true
        ? Promise.resolve({ status: 200, headers: {}, body: Readable.from([Buffer.from(document)]) })
        : next(request);
    const reply = await bench.send({ method: 'GET', path: `/${bench.bucket}`, query: 'versions&max-keys=1' });
    expect(reply.status).toBe(200);
    return reply.body.toString();
  }

  test('that the store leaves without a version id ends with the null version', async () => {
    const document = await listed(page(`<NextKeyMarker>b</NextKeyMarker>${row('a', 'null')}${row('b', 'null')}`));
    expect(document).toContain('<NextKeyMarker>b</NextKeyMarker><NextVersionIdMarker>null</NextVersionIdMarker>');
  });

  test('also where the store marks its key', async () => {
    const document = await listed(page(`<NextKeyMarker>b[minio_cache:v2,id:x]</NextKeyMarker>${row('b', 'null')}`));
    expect(document).toContain('<NextVersionIdMarker>null</NextVersionIdMarker>');
  });

  test('that ends with a common prefix has no version id', async () => {
    const prefixes = '<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>';
    const document = await listed(page(`<NextKeyMarker>c/</NextKeyMarker>${row('b', 'null')}${prefixes}`));
    expect(document).toContain('<NextKeyMarker>c/</NextKeyMarker>');
    expect(document).not.toContain('NextVersionIdMarker');
  });
});

test.each(['GET', 'HEAD'])(
  '%s: a part number out of bounds is refused before anything is looked up',
  async (method) => {
    for (const number of ['-3', '0', '10001', 'x', '']) {
      const reply = await bench.send({ method, path: `/${bench.bucket}/missing`, query: `partNumber=${number}` });
      expect([number, reply.status]).toEqual([number, 400]);
    }
  },
);

describe('a body in chunks', () => {
  test('is refused for a configuration, framed or not', async () => {
    const document =
      '<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>';
    const trailer = `x-amz-checksum-crc32:${referenceChecksum('CRC32', Buffer.from(document))}`;
    for (const body of [document, framed(Buffer.from(document), { chunkBytes: 8192, trailer })]) {
      const reply = await bench.send({
        method: 'PUT',
        path: `/${bench.bucket}`,
        query: 'cors=',
        headers: [
          ['x-amz-decoded-content-length', String(document.length)],
          ['x-amz-trailer', 'x-amz-checksum-crc32'],
        ],
        payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        body,
      });
      expect([reply.status, reply.code]).toEqual([400, 'InvalidRequest']);
    }
  });
});

describe('the owner that a client expects', () => {
  test('is compared for a part that is kept outside the bucket, too', async () => {
    const path = `/${bench.bucket}/parts`;
    const created = await bench.send({ method: 'POST', path, query: 'uploads=' });
    const uploadId = /<UploadId>(.*?)<\/UploadId>/.exec(created.body.toString())?.[1] ?? '';
    bench.backend.intercept = (request, next) =>
      request.headers?.['x-amz-expected-bucket-owner'] === '999999999999'
        ? Promise.resolve({
            status: 403,
            headers: {},
            body: Readable.from(
              request.method === 'HEAD' ? [] : [Buffer.from('<Error><Code>AccessDenied</Code></Error>')],
            ),
          })
        : next(request);
    const query = `partNumber=1&uploadId=${uploadId}`;
    const headers: Header[] = [['x-amz-expected-bucket-owner', '999999999999']];
    const refused = await bench.send({ method: 'PUT', path, query, headers, body: 'small' });
    expect([refused.status, refused.code]).toEqual([403, 'AccessDenied']);
    const parts = await bench.send({ method: 'GET', path, query: `uploadId=${uploadId}` });
    expect(parts.body.toString()).not.toContain('<Part>');
    expect((await bench.send({ method: 'PUT', path, query, body: 'small' })).status).toBe(200);
  });
});

describe('elements of errors', () => {
  const elementsOf = (document: string, names: readonly string[]) =>
    names.map((name) => new RegExp(`<${name}>(.*?)</${name}>`).exec(document)?.[1]);

  test('the condition of a copy that did not hold, as the header is called', async () => {
    const source = `/${bench.bucket}/source`;
    const put = await bench.send({ method: 'PUT', path: source, body: 'x' });
    const date = 'Thu, 01 Jan 2043 00:00:00 GMT';
    const cases: Header[] = [
      ['x-amz-copy-source-If-Match', '"0123456789abcdef0123456789abcdef"'],
      ['x-amz-copy-source-If-None-Match', String(put.headers['etag'])],
      ['x-amz-copy-source-If-Modified-Since', date],
      ['x-amz-copy-source-If-Unmodified-Since', 'Thu, 01 Jan 2004 00:00:00 GMT'],
    ];
    for (const [name, value] of cases) {
      const headers: Header[] = [
        ['x-amz-copy-source', source],
        [name, value],
      ];
      const reply = await bench.send({ method: 'PUT', path: `/${bench.bucket}/copy`, headers });
      expect([reply.status, ...elementsOf(reply.body.toString(), ['Condition'])]).toEqual([412, name]);
    }
  });

  test('the version that is not there, and the delete marker', async () => {
    const path = `/${bench.bucket}/versioned`;
    const enabled = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
    await bench.send({ method: 'PUT', path: `/${bench.bucket}`, query: 'versioning=', body: enabled });
    const first = await bench.send({ method: 'PUT', path, body: 'x' });
    const version = String(first.headers['x-amz-version-id']);
    await bench.send({ method: 'DELETE', path, query: `versionId=${version}` });
    const marker = String((await bench.send({ method: 'DELETE', path })).headers['x-amz-version-id']);
    for (const headers of [[], [['range', 'bytes=0-1']]] as Header[][]) {
      const gone = await bench.send({ method: 'GET', path, query: `versionId=${version}`, headers });
      expect([gone.code, ...elementsOf(gone.body.toString(), ['Key', 'VersionId'])]).toEqual([
        'NoSuchVersion',
        'versioned',
        version,
      ]);
      const deleted = await bench.send({ method: 'GET', path, query: `versionId=${marker}`, headers });
      expect([deleted.code, ...elementsOf(deleted.body.toString(), ['Method', 'ResourceType'])]).toEqual([
        'MethodNotAllowed',
        'GET',
        'DeleteMarker',
      ]);
    }
  });

  test('the upload whose list is out of order, and the argument that is out of bounds', async () => {
    const part = (number: number) => `<Part><PartNumber>${number}</PartNumber><ETag>"a"</ETag></Part>`;
    const complete = (...numbers: number[]) =>
      bench.send({
        method: 'POST',
        path: `/${bench.bucket}/k`,
        query: 'uploadId=u',
        body: `<CompleteMultipartUpload>${numbers.map(part).join('')}</CompleteMultipartUpload>`,
      });
    const order = await complete(2, 1);
    expect([order.code, ...elementsOf(order.body.toString(), ['UploadId'])]).toEqual(['InvalidPartOrder', 'u']);
    const bounds = await complete(0);
    expect(elementsOf(bounds.body.toString(), ['ArgumentName', 'ArgumentValue'])).toEqual(['PartNumber', '0']);
  });
});
