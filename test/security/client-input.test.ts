/**
 * Nothing that a client can send is the server's own failure: no request of a signed-in caller, however odd its headers, names,
 * query, document or form, is answered 500 or leaves an error in the log. A 500 is repeated by every SDK, and hides what the
 * client should change.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sharedBench } from '../helpers/bench.ts';
import { FORM_TYPE, formBody, signedFields } from '../helpers/form.ts';
import { formPoster } from '../helpers/form-poster.ts';
import {
  type Header,
  headText,
  md5Header,
  objectPath,
  percentEncode,
  RawConnection,
  type RawReply,
  type RawRequest,
  sendRaw,
  signHeaders,
} from '../helpers/raw-client.ts';

const bench = sharedBench();
const { post } = formPoster(() => bench);
let path: string;
beforeAll(() => {
  path = objectPath(bench.bucket, 'object');
});
/** The tests of this file have made no failure of ours. */
afterAll(() => {
  expect(bench.proxy.log.filter(({ level }) => level === 'error')).toEqual([]);
});

/** Names that every JavaScript object has. */
const INHERITED = ['constructor', '__proto__', 'hasOwnProperty', 'toString', 'valueOf', '__defineGetter__'];

describe('metadata without a name', () => {
  const NAMELESS: Header = ['x-amz-meta-', 'value'];

  test.each([
    ['PutObject', { method: 'PUT', body: 'x' }],
    ['CreateMultipartUpload', { method: 'POST', query: 'uploads' }],
  ])('%s is refused', async (_, request) => {
    const reply = await bench.send({ ...request, path, headers: [NAMELESS] });
    expect([reply.status, reply.code]).toEqual([400, 'InvalidArgument']);
  });

  test('a copy with new metadata is refused', async () => {
    await bench.send({ method: 'PUT', path, body: 'x' });
    const headers: Header[] = [NAMELESS, ['x-amz-copy-source', path], ['x-amz-metadata-directive', 'REPLACE']];
    const reply = await bench.send({ method: 'PUT', path, headers });
    expect([reply.status, reply.code]).toEqual([400, 'InvalidArgument']);
  });

  test('a form is refused', async () => {
    const reply = await post({ fields: { key: 'form', 'x-amz-meta-': 'value' } });
    expect([reply.status, reply.code]).toEqual([400, 'InvalidArgument']);
  });
});

describe('names that every object of the language has', () => {
  test.each(INHERITED)('the form field %s is a field like any other', async (name) => {
    const fields = signedFields(bench.tenant, {
      bucket: bench.bucket,
      fields: { key: 'form' },
      further: [[`eq`, `$${name}`, 'v']],
    });
    const body = formBody([...Object.entries(fields), [name, 'v']], { content: 'file' });
    const reply = await sendRaw(bench.proxy.endpoint, {
      method: 'POST',
      target: `/${bench.bucket}`,
      headers: [
        ['host', new URL(bench.proxy.endpoint).host],
        ['content-type', FORM_TYPE],
        ['content-length', String(body.length)],
      ],
      body,
    });
    expect([reply.status, reply.code]).toEqual([204, '']);
  });

  test.each(INHERITED)('%s in a header of a form part', async (name) => {
    const reply = await post({
      body: (whole) => Buffer.from(whole.toString('latin1').replaceAll('\r\n\r\n', `\r\n${name}: v\r\n\r\n`), 'latin1'),
    });
    expect([400, 204]).toContain(reply.status);
  });

  test.each(INHERITED)('%s as metadata comes back as it was sent', async (name) => {
    expect((await bench.send({ method: 'PUT', path, body: 'x', headers: [[`x-amz-meta-${name}`, 'v']] })).status).toBe(
      200,
    );
    const read = await bench.send({ method: 'GET', path });
    expect(read.headers[`x-amz-meta-${name.toLowerCase()}`]).toBe('v');
  });

  test.each(INHERITED)('%s as header, sub-resource, parameter, directive, algorithm', async (name) => {
    const requests: RawRequest[] = [
      { method: 'GET', path, headers: [[name, 'v']] },
      { method: 'GET', path, query: name },
      { method: 'PUT', path, query: name, body: 'x' },
      { method: 'GET', path: `/${bench.bucket}`, query: `list-type=${name}&encoding-type=${name}` },
      {
        method: 'PUT',
        path,
        headers: [
          ['x-amz-copy-source', path],
          ['x-amz-metadata-directive', name],
        ],
      },
      { method: 'PUT', path, body: 'x', headers: [['x-amz-sdk-checksum-algorithm', name]] },
      { method: 'PUT', path, body: 'x', headers: [[`x-amz-checksum-${name}`, 'AAAA']] },
      {
        method: 'POST',
        path,
        query: 'uploads',
        headers: [
          ['x-amz-checksum-algorithm', name],
          ['x-amz-checksum-type', name],
        ],
      },
      { method: 'GET', path, headers: [['x-amz-object-attributes', name]], query: 'attributes' },
    ];
    for (const request of requests) expectNoFailure(await bench.send(request), request);
  });
});

describe('documents nested without end', () => {
  const nested = (root: string, depth: number) => `<${root}>${'<a>'.repeat(depth)}${'</a>'.repeat(depth)}</${root}>`;

  test.each([
    ['logging', 'BucketLoggingStatus'],
    ['lifecycle', 'LifecycleConfiguration'],
    ['tagging', 'Tagging'],
    ['cors', 'CORSConfiguration'],
    ['versioning', 'VersioningConfiguration'],
  ])('%s', async (query, root) => {
    for (const depth of [64, 59_000]) {
      const body = nested(root, depth);
      const reply = await bench.send({
        method: 'PUT',
        path: `/${bench.bucket}`,
        query,
        body,
        headers: [md5Header(body)],
      });
      expect([reply.status, reply.code]).toEqual([400, 'MalformedXML']);
    }
  });

  test('the tags of a form', async () => {
    const tagging = nested('Tagging', 6_000 / 7);
    const reply = await post({ fields: { key: 'form', tagging } });
    expect([reply.status, reply.code]).toEqual([400, 'MalformedXML']);
  });
});

describe('versions of HTTP', () => {
  const get = (version: string) => `GET /${bench.bucket} ${version}\r\nhost: x\r\n\r\n`;

  test.each(['HTTP/2.0', 'HTTP/0.9', 'HTTP/3.7', 'HTTP/1.2', 'HTTP/9.9'])('%s is not spoken', async (version) => {
    const socket = await RawConnection.open(bench.proxy.endpoint);
    socket.write(get(version));
    const reply = await socket.ended();
    expect(reply).toMatch(/^HTTP\/1\.1 505 HTTP Version Not Supported\r\n/);
    expect(reply).toContain('<Code>HttpVersionNotSupported</Code>');
    expect(reply).toMatch(/\r\nconnection: close\r\n/i);
  });

  test.each([
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a line without a version', 'GET /\r\n\r\n'],
  ])('%s is refused', async (_, text) => {
    const socket = await RawConnection.open(bench.proxy.endpoint);
    socket.write(text);
    const reply = await socket.ended();
    expect(reply).toMatch(/^HTTP\/1\.1 505 /);
  });

  test('HTTP/1.0 is spoken: the reply has a length, and the connection is closed behind it', async () => {
    await bench.send({ method: 'PUT', path, body: 'content' });
    const socket = await RawConnection.open(bench.proxy.endpoint);
    const { host } = new URL(bench.proxy.endpoint);
    const head = headText({
      method: 'GET',
      target: path,
      headers: signHeaders({ method: 'GET', path }, bench.tenant, host),
    });
    socket.write(head.toString('latin1').replace(' HTTP/1.1\r\n', ' HTTP/1.0\r\n'));
    const reply = await socket.ended();
    expect(reply).toMatch(/^HTTP\/1\.1 200 OK\r\n(.+\r\n)*content-length: 7\r\n(.+\r\n)*\r\ncontent$/i);
  });
});

const METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'HEAD'] as const;
const SUBRESOURCES = [
  'acl', 'attributes', 'cors', 'delete', 'encryption', 'legal-hold', 'lifecycle', 'list-type', 'location', 'logging',
  'notification', 'object-lock', 'ownershipControls', 'policy', 'publicAccessBlock', 'replication', 'restore', 'retention', 'tagging',
  'uploads', 'uploadId', 'versioning', 'versions', 'website',
] as const; // biome-ignore format: one line a letter would be a page
const PARAMETERS = [
  'partNumber', 'versionId', 'max-keys', 'max-parts', 'max-uploads', 'prefix', 'delimiter', 'marker', 'start-after', 'key-marker',
  'continuation-token', 'encoding-type', 'version-id-marker', 'upload-id-marker', 'part-number-marker', 'response-expires',
  'response-content-type', 'fetch-owner', 'x-id',
] as const; // biome-ignore format: as above
const HEADERS = [
  'range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'content-type', 'content-encoding',
  'content-md5', 'cache-control', 'content-disposition', 'expires', 'x-amz-copy-source', 'x-amz-copy-source-range',
  'x-amz-copy-source-if-match', 'x-amz-metadata-directive', 'x-amz-tagging', 'x-amz-tagging-directive', 'x-amz-storage-class',
  'x-amz-acl', 'x-amz-meta-', 'x-amz-meta-a', 'x-amz-checksum-crc32', 'x-amz-checksum-type', 'x-amz-checksum-algorithm',
  'x-amz-sdk-checksum-algorithm', 'x-amz-object-lock-mode', 'x-amz-object-lock-retain-until-date', 'x-amz-mp-object-size',
  'x-amz-object-attributes', 'x-amz-max-parts', 'x-amz-part-number-marker', 'x-amz-expected-bucket-owner', 'x-amz-trailer',
  'x-amz-decoded-content-length', 'x-amz-write-offset-bytes', 'origin', 'accept-encoding', 'te', 'x-forwarded-for',
] as const; // biome-ignore format: as above

const value = fc.oneof(
  fc.constantFrom(
    ...INHERITED,
    '',
    '*',
    '0',
    '-1',
    '1e9',
    '99999999999999999999',
    'null',
    'COPY',
    'REPLACE',
    'bytes=0-',
    'bytes=-0',
  ),
  fc.constantFrom(
    'bytes=5-2',
    '"a"',
    'W/"a"',
    'Thu, 99 Foo 2099',
    'a=b&c=d',
    'a=%zz',
    '/b/k',
    'SHA256',
    'COMPOSITE',
    '2099-13-45T99:99:99Z',
  ),
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
);
/** What a header can carry; a query and a document carry anything. */
const headerValue = value.map((text) =>
  Buffer.from(text)
    .toString('latin1')
    .replace(/[^\t\x20-\x7e\x80-\xff]/g, '?'),
);
const key = fc.oneof(fc.constantFrom('object', '', '..', '//', '%00'), fc.string({ unit: 'binary', maxLength: 30 }));
const element = fc.constantFrom(
  'Delete', 'Object', 'Key', 'VersionId', 'Tagging', 'TagSet', 'Tag', 'Value', 'CompleteMultipartUpload', 'Part', 'PartNumber', 'ETag',
  'CORSConfiguration', 'CORSRule', 'AllowedOrigin', 'VersioningConfiguration', 'Status', 'CreateBucketConfiguration', ...INHERITED,
); // biome-ignore format: as above
const { document } = fc.letrec<{ document: string; content: string }>((tie) => ({
  document: fc.tuple(element, tie('content')).map(([name, content]) => `<${name}>${content}</${name}>`),
  content: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    value.map((text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')),
    fc.array(tie('document'), { maxLength: 4 }).map((pieces) => pieces.join('')),
  ),
}));

const query = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...SUBRESOURCES, ...PARAMETERS, ...INHERITED), fc.option(value)), {
    maxLength: 4,
    selector: ([name]) => name,
  })
  .map((pairs) => pairs.map(([name, text]) => (text === null ? name : `${name}=${percentEncode(text)}`)).join('&'));

const request = fc.record({
  method: fc.constantFrom(...METHODS),
  level: fc.constantFrom('service', 'bucket', 'object'),
  key,
  query: fc.oneof(fc.constant(''), query),
  headers: fc.uniqueArray(fc.tuple(fc.constantFrom(...HEADERS, ...INHERITED), headerValue), {
    maxLength: 4,
    selector: ([name]) => name,
  }),
  body: fc.option(fc.oneof(document, fc.string({ maxLength: 100 }))),
});

test('no request of odd pieces is a failure of the server', { timeout: 120_000 }, async () => {
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(request, async (o) => {
      const target = { service: '/', bucket: `/${bench.bucket}`, object: objectPath(bench.bucket, o.key) }[o.level];
      const body = o.body ?? undefined;
      const md5 = body === undefined || o.headers.some(([name]) => name === 'content-md5') ? [] : [md5Header(body)];
      const sent: RawRequest = {
        method: o.method,
        path: target ?? '/',
        query: o.query,
        headers: [...o.headers, ...md5],
        ...(body === undefined || o.method === 'GET' || o.method === 'HEAD' ? {} : { body }),
      };
      const reply = await bench.send(sent);
      statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1);
      expectNoFailure(reply, sent);
      // The bucket may have been deleted: the others need it.
      if (reply.status === 204 && o.method === 'DELETE') await bench.send({ method: 'PUT', path: `/${bench.bucket}` });
    }),
    { numRuns: 1_000 },
  );
  // They come far enough to be refused for themselves, and some are served.
  expect(statuses.get(200) ?? 0).toBeGreaterThan(20);
  expect(statuses.get(400) ?? 0).toBeGreaterThan(50);
});

test('no form of odd fields is a failure of the server', { timeout: 120_000 }, async () => {
  const name = fc.oneof(
    fc.constantFrom(
      ...HEADERS,
      ...INHERITED,
      'acl',
      'tagging',
      'success_action_status',
      'redirect',
      'bucket',
      'policy',
    ),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, fc.oneof(value, document)), { maxLength: 5 }), async (fields) => {
      const allowed = fields.map(([field]): [string, string, string] => ['starts-with', `$${field}`, '']);
      const policy = signedFields(bench.tenant, { bucket: bench.bucket, fields: { key: 'form' }, further: allowed });
      const body = formBody([...Object.entries(policy), ...fields], { content: 'file' });
      const reply = await sendRaw(bench.proxy.endpoint, {
        method: 'POST',
        target: `/${bench.bucket}`,
        headers: [
          ['host', new URL(bench.proxy.endpoint).host],
          ['content-type', FORM_TYPE],
          ['content-length', String(body.length)],
        ],
        body,
      });
      expectNoFailure(reply, { fields });
    }),
    { numRuns: 300 },
  );
});

function expectNoFailure(reply: RawReply, sent: unknown): void {
  const wrong = reply.status === 500 || reply.status < 100 || reply.status === 503;
  expect(wrong ? { status: reply.status, body: reply.body.toString(), sent } : undefined).toBeUndefined();
}
