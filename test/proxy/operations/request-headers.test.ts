/**
 * Protects: no header or parameter that S3 knows for an operation is dropped in silence. Each one is passed to the store, used
 * here, or refused (seen here: CreateBucket dropped x-amz-object-ownership and answered 200).
 */
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Operation } from '../../../proxy/operation.ts';
import { OPERATIONS } from '../../../proxy/operations/table.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { type Header, md5Header, type RawRequest } from '../../helpers/raw-client.ts';
import { S3_REQUESTS } from '../../helpers/s3-requests.ts';

/** Used here and not passed on as they are: other tests say how. */
const USED: readonly RegExp[] = [
  // Evaluated against the plaintext's ETag, and then translated.
  /^(x-amz-copy-source-)?if-(match|none-match|modified-since|unmodified-since)$/,
  /^range$|^x-amz-copy-source-range$/,
  // Sealed.
  /^(cache-control|content-(disposition|encoding|language|type)|expires|x-amz-meta-.*)$/,
  // Verified against the body.
  /^(content-(length|md5)|x-amz-sdk-checksum-algorithm|x-amz-checksum-.*|x-amz-mp-object-size)$/,
  /^x-amz-copy-source$|^x-amz-(metadata|tagging)-directive$/,
  /^x-amz-(object-attributes|max-parts|part-number-marker)$/,
];

/** Without effect, and why. */
const IGNORED: Readonly<Record<string, string>> = {
  'x-amz-optional-object-attributes': 'asks for what a listing may leave out; HEAD has it (docs/clients.md)',
};

const isUsed = (name: string) => USED.some((pattern) => pattern.test(name));
const words = (text: string) => text.split(' ').filter((word) => word !== '');

const bench = sharedBench();
let uploadId = '';
beforeAll(async () => {
  const path = `/${bench.bucket}/k`;
  expect((await bench.send({ method: 'PUT', path, body: 'x' })).status).toBe(200);
  const created = await bench.send({ method: 'POST', path, query: 'uploads=' });
  uploadId = /<UploadId>(.*?)<\/UploadId>/.exec(created.body.toString())?.[1] ?? '';
  expect(uploadId).not.toBe('');
});

const BODIES: Readonly<Record<string, string>> = {
  CompleteMultipartUpload: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"${'0'.repeat(32)}"</ETag></Part></CompleteMultipartUpload>`,
  DeleteObjects: '<Delete><Object><Key>none</Key></Object></Delete>',
  PutBucketPolicy: '{}',
  PutBucketVersioning: '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
  PutBucketAcl: '',
  PutObjectAcl: '',
  CreateBucket: '',
  PutBucketAccelerateConfiguration: '<AccelerateConfiguration/>',
  PutBucketCors:
    '<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>',
  PutBucketEncryption: '<ServerSideEncryptionConfiguration/>',
  PutBucketLifecycleConfiguration: '<LifecycleConfiguration/>',
  PutBucketLogging: '<BucketLoggingStatus/>',
  PutBucketNotificationConfiguration: '<NotificationConfiguration/>',
  PutBucketOwnershipControls: '<OwnershipControls/>',
  PutBucketRequestPayment: '<RequestPaymentConfiguration/>',
  PutBucketTagging: '<Tagging><TagSet/></Tagging>',
  PutBucketWebsite: '<WebsiteConfiguration/>',
  PutObjectLegalHold: '<LegalHold/>',
  PutObjectLockConfiguration: '<ObjectLockConfiguration/>',
  PutObjectRetention: '<Retention/>',
  PutObjectTagging: '<Tagging><TagSet/></Tagging>',
  PutPublicAccessBlock: '<PublicAccessBlockConfiguration/>',
  RestoreObject: '<RestoreRequest><Days>1</Days></RestoreRequest>',
};

const EXTRA: Readonly<Record<string, readonly Header[]>> = {
  GetObjectAttributes: [['x-amz-object-attributes', 'ETag']],
  CopyObject: [
    ['x-amz-copy-source', 'BUCKET/k'],
    ['x-amz-tagging-directive', 'REPLACE'],
  ],
  UploadPartCopy: [['x-amz-copy-source', 'BUCKET/k']],
};

let buckets = 0;

function requestOf(operation: Operation, header: Header): RawRequest {
  const { method, level, subresources = [] } = operation.selector;
  const isUpload = (name: string) => ['uploadId', 'partNumber'].includes(name);
  const query = subresources
    .filter((name) => !isUpload(name))
    .map((name) => (name === 'list-type' ? 'list-type=2' : `${name}=`));
  const named = operation.name === 'AbortMultipartUpload' ? 'another' : uploadId;
  if (subresources.includes('uploadId')) query.push(`uploadId=${encodeURIComponent(named)}`);
  if (subresources.includes('partNumber')) query.push('partNumber=1');
  const bucket = operation.name === 'CreateBucket' ? `headers-${buckets++}` : bench.bucket;
  const key = operation.name === 'CopyObject' || operation.name === 'DeleteObject' ? 'other' : 'k';
  const body = BODIES[operation.name] ?? (operation.body === 'object' ? 'body' : '');
  const extra = (EXTRA[operation.name] ?? []).map(
    ([name, value]): Header => [name, value.replace('BUCKET', bench.bucket)],
  );
  const digest = operation.name === 'DeleteObjects' ? [md5Header(body)] : [];
  return {
    method,
    path: level === 'service' ? '/' : level === 'bucket' ? `/${bucket}` : `/${bucket}/${key}`,
    query: query.join('&'),
    headers: [...extra.filter(([name]) => name !== header[0]), ...digest, header],
    ...(operation.body === 'none' ? {} : { body }),
  };
}

const VALUES: Readonly<Record<string, string>> = {
  'x-amz-object-ownership': 'ObjectWriter',
  'x-amz-storage-class': 'STANDARD_IA',
  'x-amz-tagging': 'a=b',
};

/** Every value that the header had in a request to the store about the client's bucket; the store itself never sees it. */
async function sent(operation: Operation, name: string): Promise<{ values: string[]; wrote: number; status: number }> {
  const value = VALUES[name] ?? 'a-value';
  const values: string[] = [];
  let wrote = 0;
  const wanted = name === 'x-amz-source-expected-bucket-owner' ? 'x-amz-expected-bucket-owner' : name;
  bench.backend.intercept = (request, next) => {
    if (request.bucket === 'sealgate-state') return next(request);
    if (request.method !== 'GET' && request.method !== 'HEAD') wrote += 1;
    const { [wanted]: found, [name]: _same, ...headers } = request.headers ?? {};
    if (found !== undefined) values.push(found);
    return next({ ...request, headers });
  };
  const reply = await bench.send(requestOf(operation, [name, value]));
  bench.backend.intercept = (request, next) => next(request);
  return { values: values.filter((found) => found === value), wrote, status: reply.status };
}

const rows = OPERATIONS.filter(({ name }) => name !== 'PostObject').map(
  (operation) =>
    [
      operation.name,
      operation,
      S3_REQUESTS[operation.name] ?? { headers: 'x-amz-expected-bucket-owner', query: '' },
    ] as const,
);

describe.each(rows)('%s', (_, operation, { headers, query }) => {
  test('passes, uses or refuses every header', async () => {
    for (const name of words(headers)) {
      if (isUsed(name) || IGNORED[name] !== undefined) continue;
      const { values, wrote, status } = await sent(operation, name);
      const isRefused = status === 501 && wrote === 0;
      expect([name, values.length > 0 || isRefused]).toEqual([name, true]);
    }
  });

  test('knows every parameter', () => {
    const known = [...operation.parameters, ...(operation.selector.subresources ?? [])];
    for (const name of words(query)) expect(known).toContain(name);
  });
});

test('every operation of the table is one of the API, and what is said to be used is named in the code', async () => {
  const names = new Set(OPERATIONS.map(({ name }) => name));
  for (const name of Object.keys(S3_REQUESTS)) expect(names).toContain(name);
  expect(rows.length).toBeGreaterThan(70);
  let source = '';
  for await (const file of glob('{proxy,crypto,sigv4}/**/*.ts')) source += readFileSync(file, 'utf8');
  const used = new Set(Object.values(S3_REQUESTS).flatMap((row) => words(row.headers).filter(isUsed)));
  expect(used.size).toBeGreaterThan(30);
  for (const name of used) {
    const stem = name
      .replace(/^x-amz-checksum-(?!mode|type|algorithm).*/, 'x-amz-checksum-')
      .replace('*', '')
      .replace(/^(x-amz-copy-source-)(if-.*)$/, '$2');
    expect(source).toContain(stem);
  }
});

describe('CreateBucket', () => {
  const create = (headers: Header[], body = '') =>
    bench.send({ method: 'PUT', path: `/created-${buckets++}`, headers, body });

  test('refuses an ownership that S3 does not know, whatever the store would say', async () => {
    const reply = await create([['x-amz-object-ownership', 'Nobody']]);
    expect([reply.status, reply.code]).toEqual([400, 'InvalidArgument']);
    expect(reply.body.toString()).toContain('<ArgumentName>x-amz-object-ownership</ArgumentName>');
  });

  test('passes region and tags on, and refuses what is for directory buckets', async () => {
    let document = '';
    bench.backend.intercept = (request, next) => {
      if (request.method === 'PUT') document = String(request.body);
      return next(request);
    };
    const configuration = (inner: string) => `<CreateBucketConfiguration>${inner}</CreateBucketConfiguration>`;
    await create(
      [],
      configuration(
        '<LocationConstraint>eu-west-1</LocationConstraint><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>',
      ),
    );
    bench.backend.intercept = (request, next) => next(request);
    expect(document).toContain(
      '<LocationConstraint>eu-west-1</LocationConstraint><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>',
    );
    expect((await create([], configuration('<Bucket><Type>Directory</Type></Bucket>'))).code).toBe('NotImplemented');
  });
});
