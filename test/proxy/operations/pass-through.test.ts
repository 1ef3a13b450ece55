/**
 * Protects what is passed through: every row sends exactly its own request to the backend, with a document that was verified
 * and nothing else of the client's, and returns the backend's document; what is malformed, too long, or would reach beyond
 * the caller's grants never arrives there.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  DeleteObjectTaggingCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
} from '@aws-sdk/client-s3';
import { afterEach, describe, expect, it } from 'vitest';
import type { BackendRequest } from '../../../proxy/backend/backend.ts';
import { MAX_CONFIGURATION_BYTES } from '../../../proxy/limits.ts';
import type { Operation } from '../../../proxy/operation.ts';
import { deleteBucketCors, getBucketCors, putBucketCors } from '../../../proxy/operations/bucket-cors.ts';
import { PASSED_THROUGH } from '../../../proxy/operations/passed-through.ts';
import { putBucketLogging } from '../../../proxy/operations/put-bucket-logging.ts';
import { restoreObject } from '../../../proxy/operations/restore-object.ts';
import { errorReply } from '../../helpers/backend-reply.ts';
import { sharedBench } from '../../helpers/bench.ts';
import type { RawRequest } from '../../helpers/raw-client.ts';

const ROOTS: Readonly<Record<string, string>> = {
  accelerate: 'AccelerateConfiguration',
  acl: 'AccessControlPolicy',
  cors: 'CORSConfiguration',
  encryption: 'ServerSideEncryptionConfiguration',
  'legal-hold': 'LegalHold',
  lifecycle: 'LifecycleConfiguration',
  logging: 'BucketLoggingStatus',
  notification: 'NotificationConfiguration',
  'object-lock': 'ObjectLockConfiguration',
  ownershipControls: 'OwnershipControls',
  publicAccessBlock: 'PublicAccessBlockConfiguration',
  requestPayment: 'RequestPaymentConfiguration',
  restore: 'RestoreRequest',
  retention: 'Retention',
  tagging: 'Tagging',
  versioning: 'VersioningConfiguration',
  website: 'WebsiteConfiguration',
};

const CORS = [getBucketCors, putBucketCors, deleteBucketCors];
const ALL: readonly Operation[] = [...PASSED_THROUGH, ...CORS, putBucketLogging, restoreObject];
const subresourceOf = (operation: Operation) => operation.selector.subresources?.[0] ?? '';
const documentFor = (subresource: string) =>
  subresource === 'policy'
    ? '{"Version":"2012-10-17","Statement":[]}'
    : `<?xml version="1.0" encoding="UTF-8"?>\n<${ROOTS[subresource]} xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><A>é</A></${ROOTS[subresource]}>`;

const bench = sharedBench();
let seen: { request: BackendRequest; body: Buffer }[];
afterEach(() => {
  bench.backend.intercept = (request, next) => next(request);
});

/** Answers every request about the bucket in the store's place. */
function answerWith(answer: { status: number; body: string; headers?: Record<string, string> }): void {
  seen = [];
  bench.backend.intercept = async (request, next) => {
    if (request.bucket !== bench.bucket) return next(request);
    seen.push({ request, body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0) });
    return { status: answer.status, headers: answer.headers ?? {}, body: Readable.from([Buffer.from(answer.body)]) };
  };
}

function requestFor(operation: Operation, extra: Partial<RawRequest> = {}): RawRequest {
  const { method, level } = operation.selector;
  const subresource = subresourceOf(operation);
  const query = level === 'object' ? `${subresource}=&versionId=v1` : `${subresource}=`;
  const body = operation.body === 'none' ? {} : { body: documentFor(subresource) };
  const path = level === 'object' ? `/${bench.bucket}/a%20key` : `/${bench.bucket}`;
  return { method, path, query, ...body, ...extra };
}

describe.each(ALL.map((operation) => [operation.name, operation] as const))('%s', (_name, operation) => {
  const hasBody = operation.body !== 'none';

  it('sends its own request and returns the answer', async () => {
    const isPolicy = subresourceOf(operation) === 'policy';
    const answer = isPolicy ? '{"Version":"x"}' : '<?xml version="1.0"?><Answer><Nested>1</Nested></Answer>';
    answerWith({ status: 202, body: answer, headers: { 'x-amz-version-id': 'v1', 'x-secret': 'no', etag: '"no"' } });
    const reply = await bench.send(
      requestFor(operation, {
        headers: [
          ['referer', 'https://client.example'],
          ['x-amz-meta-mine', 'no'],
          ['x-amz-expected-bucket-owner', '123456789012'],
        ],
      }),
    );
    expect([reply.status, reply.body.toString()]).toEqual([202, answer]);
    expect(reply.headers).toMatchObject({ 'x-amz-version-id': 'v1', 'content-type': 'application/xml' });
    expect(reply.headers).not.toHaveProperty('x-secret');
    expect(seen).toHaveLength(1);
    const [{ request, body } = { request: undefined, body: Buffer.alloc(0) }] = seen;
    const isObject = operation.selector.level === 'object';
    expect(request).toMatchObject({ method: operation.selector.method, bucket: bench.bucket });
    expect(request?.key).toBe(isObject ? 'a key' : undefined);
    expect(request?.query).toEqual([[subresourceOf(operation), ''], ...(isObject ? [['versionId', 'v1']] : [])]);
    const document = hasBody ? documentFor(subresourceOf(operation)) : '';
    expect(body.toString()).toBe(document);
    const sent = {
      'x-amz-expected-bucket-owner': '123456789012',
      ...(hasBody
        ? {
            'content-type': subresourceOf(operation) === 'policy' ? 'application/json' : 'application/xml',
            'content-md5': createHash('md5').update(document).digest('base64'),
          }
        : {}),
    };
    expect(request?.headers).toEqual(sent);
  });

  it('does not pass on what is no document, as a store may answer that does not know the sub-resource', async () => {
    answerWith({ status: 200, body: '\x8eSEALGATE not a document' });
    const reply = await bench.send(requestFor(operation));
    const isRead = operation.selector.method === 'GET';
    expect([reply.status, reply.body.includes('SEALGATE')]).toEqual(isRead ? [501, false] : [200, true]);
  });

  if (!hasBody) return;

  it.each([
    ['a document that is not well formed', '<A><B></A>'],
    ['another root', '<Other/>'],
    ['a document type', '<!DOCTYPE a [<!ENTITY b "c">]><A/>'],
    ['bytes that are not UTF-8', Buffer.from([0x3c, 0x41, 0xff, 0x3e])],
    ['more than a configuration takes', ' '.repeat(MAX_CONFIGURATION_BYTES + 1)],
  ])('refuses %s', async (_what, body) => {
    answerWith({ status: 200, body: '' });
    const reply = await bench.send(requestFor(operation, { body }));
    expect(reply.status).toBe(400);
    expect(['MalformedXML', 'MalformedPolicy']).toContain(reply.code);
    expect(seen).toEqual([]);
  });

  it('refuses a document other than the one that was signed', async () => {
    answerWith({ status: 200, body: '' });
    const reply = await bench.send(requestFor(operation, { payload: 'a'.repeat(64) }));
    expect([reply.status, reply.code]).toEqual([400, 'XAmzContentSHA256Mismatch']);
    expect(seen).toEqual([]);
  });
});

it('the table is not empty', () => {
  expect(ALL.length).toBeGreaterThan(40);
  expect(new Set(ALL.map(({ name }) => name)).size).toBe(ALL.length);
});

describe('errors of the backend', () => {
  const failing = (status: number, code: string) => {
    bench.backend.intercept = async (request, next) =>
      request.bucket === bench.bucket ? errorReply(request, { status, code }) : next(request);
  };

  it.each([
    ['lifecycle', 404, 'NoSuchLifecycleConfiguration'],
    ['policy', 404, 'NoSuchBucketPolicy'],
    ['tagging', 404, 'NoSuchTagSet'],
    ['website', 404, 'NoSuchWebsiteConfiguration'],
    ['encryption', 404, 'ServerSideEncryptionConfigurationNotFoundError'],
    ['publicAccessBlock', 404, 'NoSuchPublicAccessBlockConfiguration'],
    ['ownershipControls', 404, 'OwnershipControlsNotFoundError'],
    ['object-lock', 404, 'ObjectLockConfigurationNotFoundError'],
    ['versioning', 501, 'NotImplemented'],
  ])('?%s answers %i %s as it is', async (subresource, status, code) => {
    failing(status, code);
    const reply = await bench.send({ method: 'GET', path: `/${bench.bucket}`, query: `${subresource}=` });
    expect([reply.status, reply.code]).toEqual([status, code]);
  });

  it('passes a denial on: the store knows the proxy, and forbids the request', async () => {
    failing(403, 'AccessDenied');
    const path = `/${bench.bucket}/a%20key`;
    const outcomes = [
      await bench.send({ method: 'GET', path: `/${bench.bucket}`, query: 'policy=' }),
      await bench.send({ method: 'PUT', path, query: 'retention=', body: documentFor('retention') }),
      await bench.send({ method: 'PUT', path, query: 'legal-hold=', body: documentFor('legal-hold') }),
      await bench.send({ method: 'DELETE', path, query: 'versionId=v1' }),
      await bench.send({ method: 'DELETE', path }),
    ];
    expect(outcomes.map(({ status, code }) => `${status} ${code}`)).toEqual([
      '403 AccessDenied',
      '403 AccessDenied',
      '403 AccessDenied',
      '403 AccessDenied',
      '403 AccessDenied',
    ]);
  });

  it('passes the state of an archived object on', async () => {
    failing(403, 'InvalidObjectState');
    await expect(bench.s3.send(new DeleteObjectCommand({ Bucket: bench.bucket, Key: 'x' }))).rejects.toMatchObject({
      name: 'InvalidObjectState',
    });
  });
});

describe('logging', () => {
  const logging = (target: string) =>
    `<BucketLoggingStatus><LoggingEnabled>${target}<TargetPrefix>p</TargetPrefix></LoggingEnabled></BucketLoggingStatus>`;
  const send = async (body: string) => {
    const tenant = await bench.proxy.createTenant([{ bucket: bench.bucket, prefix: '', access: 'read-write' }]);
    return bench.send({ method: 'PUT', path: `/${bench.bucket}`, query: 'logging=', body }, tenant);
  };

  it.each([
    ['the state bucket', '<TargetBucket>sealgate-state</TargetBucket>'],
    ["another tenant's bucket", '<TargetBucket>elsewhere</TargetBucket>'],
    ['two buckets', `<TargetBucket>BUCKET</TargetBucket><TargetBucket>sealgate-state</TargetBucket>`],
    ['a bucket in another namespace', '<x:TargetBucket xmlns:x="y">sealgate-state</x:TargetBucket>'],
  ])('into %s is refused', async (_what, target) => {
    answerWith({ status: 200, body: '' });
    const reply = await send(logging(target.replace('BUCKET', bench.bucket)));
    expect([reply.status, reply.code]).toEqual([403, 'AccessDenied']);
    expect(seen).toEqual([]);
  });

  it.each([
    ['<TargetBucket>seal<!-- -->gate-state</TargetBucket>', 'AccessDenied'],
    ['<TargetBucket><![CDATA[sealgate-state]]></TargetBucket>', 'AccessDenied'],
    ['<TargetBucket>seal<?x?>gate-state</TargetBucket>', 'AccessDenied'],
    ['<TargetBucket>sealgate&#45;state</TargetBucket>', 'AccessDenied'],
    // Text beside an element reads as nothing here, and as the bucket's name elsewhere.
    ['<TargetBucket>sealgate-state<x/></TargetBucket>', 'InvalidBucketName'],
    ['<TargetBucket>sealgate-state<TargetBucket/></TargetBucket>', 'InvalidBucketName'],
  ])('into a bucket spelt in pieces is refused: %s', async (target, code) => {
    answerWith({ status: 200, body: '' });
    const reply = await send(logging(target));
    expect(reply.code).toBe(code);
    expect(seen).toEqual([]);
  });

  it('is sent on as it was understood, without what was passed over', async () => {
    answerWith({ status: 200, body: '' });
    const half = bench.bucket.slice(0, 5);
    const pieces = `<x:TargetBucket a="b">${half}<!-- c --><![CDATA[${bench.bucket.slice(5)}]]></x:TargetBucket>text`;
    const sent = `<?xml version="1.0" encoding="utf-8"?><!-- d -->${logging(pieces)}<?p i?>`;
    expect((await send(sent)).status).toBe(200);
    const [document] = seen.map(({ body }) => body.toString());
    expect(document).toBe(
      `<?xml version="1.0" encoding="UTF-8"?>\n<BucketLoggingStatus xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
        `<LoggingEnabled><TargetBucket>${bench.bucket}</TargetBucket><TargetPrefix>p</TargetPrefix></LoggingEnabled></BucketLoggingStatus>`,
    );
  });

  it.each(['UTF-7', 'utf-16', 'UTF-16LE', 'ISO-8859-1', ''])('declared as %s is refused', async (encoding) => {
    answerWith({ status: 200, body: '' });
    const target = '<TargetBucket>+AHMAZQBhAGwAZwBhAHQAZQAt-state</TargetBucket>';
    for (const quote of ['"', "'"]) {
      const declaration = `<?xml version="1.0" encoding=${quote}${encoding}${quote}?>`;
      const reply = await send(declaration + logging(target));
      expect([reply.status, reply.code]).toEqual([400, 'MalformedXML']);
    }
    expect(seen).toEqual([]);
  });

  it("into the tenant's own bucket passes, and so does none", async () => {
    answerWith({ status: 200, body: '' });
    expect((await send(logging(`<TargetBucket>${bench.bucket}</TargetBucket>`))).status).toBe(200);
    expect((await send('<BucketLoggingStatus/>')).status).toBe(200);
    expect(seen).toHaveLength(2);
  });
});

describe('access control lists', () => {
  it.each(['xsi', 'other'])('keep what a grantee is, under the prefix %s', async (prefix) => {
    answerWith({ status: 200, body: '' });
    const grantee = `<Grantee xmlns:${prefix}="http://www.w3.org/2001/XMLSchema-instance" ${prefix}:type="Group"><URI>u</URI></Grantee>`;
    const body = `<AccessControlPolicy><AccessControlList><Grant>${grantee}<Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>`;
    const reply = await bench.send({ method: 'PUT', path: `/${bench.bucket}`, query: 'acl=', body });
    expect(reply.status).toBe(200);
    const [document] = seen.map((one) => one.body.toString());
    expect(document).toContain(
      '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>u</URI></Grantee>',
    );
  });
});

describe('object tagging', () => {
  const at = () => ({ Bucket: bench.bucket, Key: 'tagged' });
  const tags = async () => (await bench.s3.send(new GetObjectTaggingCommand(at()))).TagSet;

  it('round-trips beside sealed contents', async () => {
    const { ETag } = await bench.s3.send(new PutObjectCommand({ ...at(), Body: 'body', Tagging: 'a=1' }));
    expect(await tags()).toEqual([{ Key: 'a', Value: '1' }]);
    const TagSet = [{ Key: 'b &<c', Value: 'x=y z' }];
    await bench.s3.send(new PutObjectTaggingCommand({ ...at(), Tagging: { TagSet } }));
    expect(await tags()).toEqual(TagSet);
    expect((await bench.s3.send(new HeadObjectCommand(at()))).ETag).toBe(ETag);
    await bench.s3.send(new DeleteObjectTaggingCommand(at()));
    expect(await tags()).toEqual([]);
  });

  it('needs a grant that covers the object, and one that writes', async () => {
    const reader = await bench.proxy.createTenant([{ bucket: bench.bucket, prefix: '', access: 'read-only' }]);
    const other = await bench.proxy.createTenant([{ bucket: bench.bucket, prefix: 'other/', access: 'read-write' }]);
    const get = { method: 'GET', path: `/${bench.bucket}/tagged`, query: 'tagging=' };
    const put = { ...get, method: 'PUT', body: '<Tagging><TagSet/></Tagging>' };
    const outcomes = [await bench.send(get, reader), await bench.send(put, reader), await bench.send(get, other)];
    expect(outcomes.map(({ status }) => status)).toEqual([200, 403, 403]);
  });
});
