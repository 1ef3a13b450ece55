// Protects: every answered request is in the audit, once for each decision, with what it came to; nothing secret is; a strict audit is
// waited for; and an audit that cannot be written refuses requests after a minute and changes at once, and has all that was answered.
import { randomBytes } from 'node:crypto';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterEach, describe, expect, test } from 'vitest';
import { AuditLog } from '../../../proxy/audit/audit-log.ts';
import { Collector } from '../../../proxy/audit/collector.ts';
import { AUDIT_BACKLOG_MS } from '../../../proxy/audit-limits.ts';
import { AuditBench, signal } from '../../helpers/audit-bench.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { sendQuery } from '../../helpers/query-api.ts';

interface AuditRecord {
  readonly requestID?: string;
  readonly eventID: string;
  readonly eventName: string;
  readonly errorCode?: string;
  readonly sealgate: { readonly action?: string };
}

interface Opened {
  readonly bench: Bench;
  readonly audit: AuditBench;
  readonly clock: { ms: number };
  /** Everything that was recorded: the log is closed for it. */
  records(): Promise<AuditRecord[]>;
}

let opened: Opened;
afterEach(() => opened.bench.close().catch(() => undefined));

async function open(o: { strict?: boolean; waitMs?: number } = {}): Promise<Opened> {
  const audit = await AuditBench.open();
  const writer = await audit.writer();
  const clock = { ms: 0 };
  const { strict = false, waitMs = 60_000 } = o;
  const elapsed = () => clock.ms;
  const collector = new Collector({
    write: (block) => writer.write({ ...block, urgent: true }),
    strict,
    elapsed,
    waitMs,
  });
  const actor = { agent: 'test', operator: 'test' };
  const log = new AuditLog({ collector, strict, region: 'us-east-1', actor, now: () => new Date() });
  const close = async () => {
    await log.close();
    await writer.close(60_000);
  };
  const bench = await openBench({ auditLog: { log, status: () => log.status, close } });
  const reader = audit.reader();
  return {
    bench,
    audit,
    clock,
    async records() {
      await bench.close();
      const lines = [];
      for (const name of audit.names('segment')) lines.push(...((await reader.lines(name, signal)) ?? []));
      return lines.map((line) => JSON.parse(line));
    },
  };
}

test('what a request asked and what it came to', async () => {
  opened = await open();
  const { bench } = opened;
  const path = `/${bench.bucket}/a%20key`;
  const headers = [['user-agent', 'a client/1.0']] as const;
  const replies = [
    await bench.send({ method: 'PUT', path, body: 'content', headers }),
    await bench.send({ method: 'GET', path, headers }),
    await bench.send({ method: 'HEAD', path }),
    await bench.send({ method: 'GET', path: `/${bench.bucket}/missing` }),
    await bench.send({ method: 'GET', path: '/sealgate-state/keyrings' }),
    await bench.send({ method: 'GET', path: `/${bench.bucket}`, query: 'list-type=2&prefix=a' }),
    await bench.send({ method: 'PUT', path: `/${bench.bucket}/copy`, headers: [['x-amz-copy-source', path]] }),
  ];
  expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 404, 403, 200, 200]);
  const records = await opened.records();
  const ids = replies.map((reply) => reply.headers['x-amz-request-id']);
  expect(records.map(({ requestID }) => ids.indexOf(requestID))).toEqual([0, 1, 2, 3, 4, 5, 6, 6]);
  expect(new Set(records.map(({ eventID }) => eventID)).size).toBe(8);
  const tenant = bench.tenant.tenant;
  expect(records[0]).toMatchObject({
    eventVersion: '1.11',
    eventSource: 's3.amazonaws.com',
    eventName: 'PutObject',
    eventTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    awsRegion: 'us-east-1',
    sourceIPAddress: '127.0.0.1',
    userAgent: 'a client/1.0',
    requestParameters: { bucketName: bench.bucket, key: 'a key' },
    additionalEventData: {
      bytesTransferredIn: 7,
      bytesTransferredOut: 0,
      AuthenticationMethod: 'AuthHeader',
      SignatureVersion: 'SigV4',
    },
    userIdentity: { type: 'IAMUser', userName: tenant, accessKeyId: expect.stringMatching(/^[0-9a-f]{12}$/) },
    readOnly: false,
    managementEvent: false,
    eventCategory: 'Data',
    eventType: 'AwsApiCall',
    resources: [
      { type: 'AWS::S3::Object', ARN: `arn:aws:s3:::${bench.bucket}/a key` },
      { type: 'AWS::S3::Bucket', ARN: `arn:aws:s3:::${bench.bucket}` },
    ],
    sealgate: { tenant, action: 's3:PutObject', decision: 'allow', durationMs: expect.any(Number) },
  });
  expect(records[0]?.errorCode).toBeUndefined();
  expect(records[1]).toMatchObject({
    eventName: 'GetObject',
    readOnly: true,
    additionalEventData: { bytesTransferredOut: 7 },
  });
  expect(records[2]).toMatchObject({ eventName: 'HeadObject', additionalEventData: { bytesTransferredOut: 0 } });
  expect(records[3]).toMatchObject({ eventName: 'GetObject', errorCode: 'NoSuchKey', sealgate: { decision: 'allow' } });
  expect(records[4]).toMatchObject({
    errorCode: 'AccessDenied',
    sealgate: { decision: 'deny', statement: 'server/state-bucket' },
  });
  expect(
    records
      .slice(6)
      .map(({ sealgate }) => sealgate.action)
      .sort(),
  ).toEqual(['s3:GetObject', 's3:PutObject']);
});

test('nothing that opens anything is in it: signatures, tokens, query strings, access key ids, secrets', async () => {
  opened = await open();
  const { bench } = opened;
  const { accessKeyId, secretAccessKey } = bench.tenant;
  await bench.send({ method: 'PUT', path: `/${bench.bucket}/k`, body: 'the plaintext of an object' });
  const url = await getSignedUrl(bench.s3, new GetObjectCommand({ Bucket: bench.bucket, Key: 'k' }));
  expect((await fetch(url)).status).toBe(200);
  expect((await fetch(url.replace(/Signature=\w{8}/, 'Signature=00000000'))).status).toBe(403);
  const made = await sendQuery(bench.proxy.endpoint, bench.tenant, { parameters: { Action: 'CreateAccessKey' } });
  const session = await sendQuery(bench.proxy.endpoint, bench.tenant, {
    service: 'sts',
    parameters: { Action: 'GetSessionToken', Version: '2011-06-15' },
  });
  const key = made.root.child('CreateAccessKeyResult')?.child('AccessKey');
  const given = session.root.child('GetSessionTokenResult')?.child('Credentials');
  const signature = /X-Amz-Signature=(\w+)/.exec(url)?.[1];
  const secrets = [
    ...[accessKeyId, secretAccessKey, signature, 'X-Amz-Signature', 'the plaintext'],
    ...[key?.value('AccessKeyId'), key?.value('SecretAccessKey')],
    ...[given?.value('AccessKeyId'), given?.value('SecretAccessKey'), given?.value('SessionToken')],
  ];
  expect(secrets.every((secret) => secret !== undefined && secret.length > 8)).toBe(true);
  const records = await opened.records();
  const text = records.map((record) => JSON.stringify(record)).join('\n');
  expect(secrets.filter((secret) => text.includes(secret ?? ''))).toEqual([]);
  expect(records.map(({ eventName }) => eventName)).toEqual(
    expect.arrayContaining([
      'PutObject',
      'GetObject',
      'SignatureRefused',
      'KeyCreated',
      'SessionIssued',
      'CreateAccessKey',
    ]),
  );
  // The bucket has none of the events in clear either.
  expect(opened.audit.backend.everything().includes(bench.bucket)).toBe(false);
});

test('as many events as requests, none twice, with many at once', async () => {
  opened = await open();
  const { bench } = opened;
  const send = (at: number) => bench.send({ method: 'PUT', path: `/${bench.bucket}/many-${at % 7}`, body: `${at}` });
  const replies = await Promise.all(Array.from({ length: 200 }, (_, at) => send(at)));
  expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
  const asked = replies.map((reply) => String(reply.headers['x-amz-request-id'])).sort();
  const records = await opened.records();
  expect(records.map(({ requestID }) => requestID).sort()).toEqual(asked);
});

test('a slow reply is noted with its result: an upload in parts', async () => {
  opened = await open();
  const { bench } = opened;
  const path = `/${bench.bucket}/parts`;
  const begun = await bench.send({ method: 'POST', path, query: 'uploads' });
  const id = /<UploadId>([^<]+)</.exec(begun.body.toString())?.[1] ?? '';
  const query = `uploadId=${encodeURIComponent(id)}`;
  const part = await bench.send({ method: 'PUT', path, query: `partNumber=1&${query}`, body: randomBytes(5_000) });
  const list = (etag: string) =>
    `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`;
  const complete = (etag: string) => bench.send({ method: 'POST', path, query, body: list(etag) });
  expect((await complete('"00000000000000000000000000000000"')).code).toBe('InvalidPart');
  expect((await complete(String(part.headers['etag']))).status).toBe(200);
  const records = await opened.records();
  expect(records.map(({ eventName, errorCode }) => [eventName, errorCode])).toEqual([
    ['CreateMultipartUpload', undefined],
    ['UploadPart', undefined],
    ['CompleteMultipartUpload', 'InvalidPart'],
    ['CompleteMultipartUpload', undefined],
  ]);
});

describe('an audit that cannot be written', () => {
  test('serves for a minute, then refuses requests, and changes at once; what was answered is there afterwards', async () => {
    opened = await open({ waitMs: 200 });
    const { bench, audit, clock } = opened;
    audit.backend.isDown = true;
    const get = () => bench.send({ method: 'GET', path: `/${bench.bucket}/k` });
    const put = () => bench.send({ method: 'PUT', path: `/${bench.bucket}/k`, body: 'x' });
    const answered = [await put(), await get()];
    clock.ms = AUDIT_BACKLOG_MS - 1;
    answered.push(await get());
    expect(answered.map(({ status }) => status)).toEqual([200, 200, 200]);
    // A change: refused at once, and not made.
    const create = { parameters: { Action: 'CreateAccessKey' } };
    const made = await sendQuery(bench.proxy.endpoint, bench.tenant, create);
    expect([made.status, made.error]).toEqual([503, 'ServiceUnavailable']);
    clock.ms = AUDIT_BACKLOG_MS + 1;
    const refused = [await put(), await get(), await bench.send({ method: 'GET', path: '/sealgate-state/x' })];
    expect(refused.map(({ status, code }) => [status, code])).toEqual(Array(3).fill([503, 'SlowDown']));
    audit.backend.isDown = false;
    await expect.poll(async () => (await get()).status).toBe(200);
    const listed = await sendQuery(bench.proxy.endpoint, bench.tenant, { parameters: { Action: 'ListAccessKeys' } });
    const members = listed.root.child('ListAccessKeysResult')?.child('AccessKeyMetadata')?.children('member');
    expect(members?.length).toBe(1);
    const records = await opened.records();
    const has = (reply: { headers: Record<string, unknown> }) =>
      records.filter(({ requestID }) => requestID === reply.headers['x-amz-request-id']).length;
    expect(answered.map(has)).toEqual([1, 1, 1]);
    expect(refused.map(has)).toEqual([0, 0, 0]);
    // What was announced and refused says that it was not made.
    const names = records.map(({ eventName }) => eventName);
    expect(names.indexOf('ChangeFailed')).toBeGreaterThan(names.indexOf('KeyCreated'));
  });

  test('that is strict holds every reply back, and answers 503 when it takes too long', async () => {
    opened = await open({ strict: true, waitMs: 2_000 });
    const { bench, audit } = opened;
    const gate = Promise.withResolvers<void>();
    let writes = 0;
    audit.backend.intercept = async ({ method, key }) => {
      if (method === 'PUT' && key?.startsWith('audit/segment/') === true) {
        writes += 1;
        await gate.promise;
      }
      return undefined;
    };
    let isAnswered = false;
    const reply = bench.send({ method: 'PUT', path: `/${bench.bucket}/k`, body: 'x' }).then((sent) => {
      isAnswered = true;
      return sent;
    });
    await expect.poll(() => writes).toBe(1);
    expect(isAnswered).toBe(false);
    gate.resolve();
    expect((await reply).status).toBe(200);
    audit.backend.intercept = () => undefined;
    audit.backend.isDown = true;
    const late = await bench.send({ method: 'GET', path: `/${bench.bucket}/k` });
    expect([late.status, late.code]).toEqual([503, 'SlowDown']);
    const denied = await bench.send({ method: 'GET', path: '/sealgate-state/x' });
    expect([denied.status, denied.code]).toEqual([503, 'SlowDown']);
    audit.backend.isDown = false;
    await expect.poll(async () => (await bench.send({ method: 'GET', path: `/${bench.bucket}/k` })).status).toBe(200);
    const names = (await opened.records()).map(({ eventName }) => eventName);
    expect(names.slice(0, 4)).toEqual(['PutObject', 'GetObject', 'GetObject', 'GetObject']);
  });
});
