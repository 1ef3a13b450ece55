/**
 * Protects: the query API against everything but a request of its own shape, signed for its own service, over the very body
 * that was sent. A signature for S3 does nothing here and one for IAM nothing there; each refusal speaks the language of
 * the API that was addressed; and no refused request changes a key.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { MAX_QUERY_BODY_BYTES, MAX_QUERY_PARAMETERS } from '../../../proxy/session-limits.ts';
import { sharedBench } from '../../helpers/bench.ts';
import type { TestTenant } from '../../helpers/proxy.ts';
import { sendQuery, signedQuery } from '../../helpers/query-api.ts';
import { type Header, presignQuery, type RawReply, sendRaw, sendSigned, sha256Hex } from '../../helpers/raw-client.ts';

const HOSTNAME = 'store.example';
const bench = sharedBench({ config: { hostnames: [HOSTNAME], regionIsSet: true, region: 'eu-test-1' } });
let tenant: TestTenant;

beforeAll(async () => {
  tenant = bench.tenant;
});

const FORM: Header = ['content-type', 'application/x-www-form-urlencoded'];
const BODY = 'Action=CreateAccessKey&Version=2010-05-08';

/** Signed by hand for any service, with one thing wrong. */
interface Wrong {
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  readonly service?: string;
  readonly region?: string;
  readonly headers?: readonly Header[];
  readonly body?: string | Buffer;
  readonly payload?: string;
  readonly date?: Date;
  readonly scopeDate?: string;
  readonly signedHeaders?: readonly string[];
  readonly as?: Partial<TestTenant>;
}

const send = (o: Wrong = {}): Promise<RawReply> =>
  sendSigned(
    bench.proxy.endpoint,
    { ...tenant, ...o.as },
    {
      method: 'POST',
      path: '/',
      service: 'iam',
      headers: [FORM],
      body: BODY,
      region: 'eu-test-1',
      ...o,
    },
  );

/** A request as it was signed, then changed. */
function sendChanged(o: { body?: string; headers?: readonly Header[]; drop?: string }): Promise<RawReply> {
  const signed = signedQuery(bench.proxy.endpoint, tenant, { parameters: { Action: 'ListAccessKeys' } });
  const body = o.body ?? signed.body;
  const kept = signed.headers.filter(([name]) => !['content-length', o.drop].includes(name.toLowerCase()));
  const headers: Header[] = [...kept, ...(o.headers ?? []), ['content-length', String(Buffer.byteLength(body))]];
  return sendRaw(bench.proxy.endpoint, { ...signed, headers, body });
}

const minutes = (count: number) => new Date(Date.now() + count * 60_000);
const authorization = (credential: string) =>
  `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host, Signature=${'0'.repeat(64)}`;
const today = () => new Date().toISOString().slice(0, 10).replaceAll('-', '');

type Row = readonly [status: number, code: string, request: () => Promise<RawReply>];

/** Refused in IAM's words. */
const IAM: Readonly<Record<string, Row>> = {
  'another secret': [403, 'SignatureDoesNotMatch', () => send({ as: { secretAccessKey: 'x'.repeat(43) } })],
  "another tenant's secret": [
    403,
    'SignatureDoesNotMatch',
    async () => send({ as: { secretAccessKey: (await bench.proxy.createTenant()).secretAccessKey } }),
  ],
  'an id that was made up': [403, 'InvalidClientTokenId', () => send({ as: { accessKeyId: `SG1${'A'.repeat(104)}` } })],
  'an id of another kind': [403, 'InvalidClientTokenId', () => send({ as: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE' } })],
  'another body than was signed': [403, 'SignatureDoesNotMatch', () => sendChanged({ body: BODY })],
  'another body, and the hash of the signed one beside it': [
    403,
    'SignatureDoesNotMatch',
    () => send({ payload: sha256Hex('Action=ListAccessKeys&Version=2010-05-08') }),
  ],
  'a body that is not signed': [403, 'SignatureDoesNotMatch', () => send({ payload: 'UNSIGNED-PAYLOAD' })],
  'a body in chunks': [403, 'SignatureDoesNotMatch', () => send({ payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' })],
  'a body with an unsigned trailer': [
    403,
    'SignatureDoesNotMatch',
    () => send({ payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' }),
  ],
  'a hash that is none': [400, 'InvalidParameterValue', () => send({ payload: 'abc' })],
  'a header added that is not signed': [403, 'AccessDenied', () => sendChanged({ headers: [['x-amz-added', 't']] })],
  'a session token': [403, 'InvalidClientTokenId', () => send({ headers: [FORM, ['x-amz-security-token', 'token']] })],
  'another host than was signed': [
    403,
    'SignatureDoesNotMatch',
    () => sendChanged({ drop: 'host', headers: [['Host', 'elsewhere.example']] }),
  ],
  'a time too long ago': [400, 'RequestExpired', () => send({ date: minutes(-16) })],
  'a time too far ahead': [400, 'RequestExpired', () => send({ date: minutes(16) })],
  'a scope of another day': [400, 'IncompleteSignature', () => send({ scopeDate: '20200101' })],
  'a region that is neither the own nor the global one': [
    400,
    'IncompleteSignature',
    () => send({ region: 'us-west-2' }),
  ],
  'the other service of this API': [400, 'InvalidAction', () => send({ service: 'sts' })],
  'an action of the other service': [
    400,
    'InvalidAction',
    () => send({ body: 'Action=GetCallerIdentity&Version=2011-06-15' }),
  ],
  'an action that there is not': [400, 'InvalidAction', () => send({ body: 'Action=CreateUser&Version=2010-05-08' })],
  "an action by a prototype's name": [
    400,
    'InvalidAction',
    () => send({ body: 'Action=constructor&Version=2010-05-08' }),
  ],
  'no action': [400, 'MissingParameter', () => send({ body: 'Version=2010-05-08' })],
  'nothing at all': [400, 'MissingParameter', () => send({ body: '' })],
  'one byte': [400, 'MissingParameter', () => send({ body: 'x' })],
  'no version': [400, 'InvalidAction', () => send({ body: 'Action=CreateAccessKey' })],
  'another version': [400, 'InvalidAction', () => send({ body: 'Action=CreateAccessKey&Version=2011-06-15' })],
  'a parameter that the action does not take': [
    400,
    'InvalidParameterCombination',
    () => send({ body: `${BODY}&Status=Active` }),
  ],
  'a parameter twice': [400, 'InvalidParameterCombination', () => send({ body: `${BODY}&Action=DeleteAccessKey` })],
  'a body that is not UTF-8': [400, 'InvalidParameterValue', () => send({ body: Buffer.from([0xff, 0xfe, 0x3d]) })],
  'too many parameters': [
    400,
    'InvalidParameterValue',
    () => send({ body: Array.from({ length: MAX_QUERY_PARAMETERS + 1 }, (_, i) => `p${i}=`).join('&') }),
  ],
  'a body that is too long': [400, 'InvalidParameterValue', () => send({ body: 'x'.repeat(MAX_QUERY_BODY_BYTES + 1) })],
  'a body that is too long and does not say how long': [
    400,
    'InvalidParameterValue',
    () => send({ headers: [FORM, ['transfer-encoding', 'chunked']], body: 'x'.repeat(MAX_QUERY_BODY_BYTES + 1) }),
  ],
  'another content type': [
    400,
    'InvalidParameterValue',
    () => send({ headers: [['content-type', 'application/json']] }),
  ],
  'a content type that only begins so': [
    400,
    'InvalidParameterValue',
    () => send({ headers: [['content-type', 'application/x-www-form-urlencodedx']] }),
  ],
  'no content type': [400, 'InvalidParameterValue', () => send({ headers: [] })],
  'an encoded body': [
    400,
    'InvalidParameterValue',
    () => send({ headers: [FORM, ['content-encoding', 'aws-chunked']] }),
  ],
  'parameters in the URL': [400, 'InvalidQueryParameter', () => send({ query: BODY })],
  'the query of a presigned URL beside it': [
    400,
    'InvalidQueryParameter',
    () => send({ query: presignQuery({ method: 'POST', path: '/' }, tenant, new URL(bench.proxy.endpoint).host) }),
  ],
  GET: [400, 'InvalidAction', () => send({ method: 'GET' })],
  PUT: [400, 'InvalidAction', () => send({ method: 'PUT' })],
  'two credentials in one header': [
    400,
    'IncompleteSignature',
    () =>
      sendChanged({
        drop: 'authorization',
        headers: [
          [
            'authorization',
            `${authorization(`x/${today()}/eu-test-1/iam/aws4_request`)}, Credential=y/${today()}/eu-test-1/s3/aws4_request`,
          ],
        ],
      }),
  ],
  'a scheme of its own': [
    400,
    'InvalidParameterValue',
    () => sendChanged({ drop: 'authorization', headers: [['authorization', 'Bearer Credential=a/b/c/iam/d']] }),
  ],
};

/** Not the query API's: S3 answers, in its own words. */
const S3: Readonly<Record<string, Row>> = {
  'the same request signed for S3': [501, 'NotImplemented', () => send({ service: 's3' })],
  'an object read with a signature for IAM': [
    400,
    'AuthorizationHeaderMalformed',
    () => send({ method: 'GET', path: `/${bench.bucket}/key` }),
  ],
  'an object written with a signature for IAM': [
    400,
    'AuthorizationHeaderMalformed',
    () => send({ method: 'PUT', path: `/${bench.bucket}/key` }),
  ],
  'an object deleted with a signature for STS': [
    400,
    'AuthorizationHeaderMalformed',
    () => send({ method: 'DELETE', path: `/${bench.bucket}/key`, service: 'sts' }),
  ],
  'a form to a bucket': [400, 'AuthorizationHeaderMalformed', () => send({ path: `/${bench.bucket}` })],
  'a form to a bucket by host name': [
    400,
    'AuthorizationHeaderMalformed',
    () => send({ headers: [FORM, ['host', `${bench.bucket}.${HOSTNAME}`]] }),
  ],
  'two slashes': [400, 'InvalidBucketName', () => send({ path: '//' })],
  'two dots': [400, 'InvalidBucketName', () => send({ path: '/..' })],
  'a service that there is not': [400, 'AuthorizationHeaderMalformed', () => send({ service: 'ec2' })],
  'a presigned URL for IAM': [
    400,
    'AuthorizationQueryParametersError',
    () => {
      const { host } = new URL(bench.proxy.endpoint);
      const query = presignQuery({ method: 'POST', path: '/', service: 'iam', region: 'eu-test-1' }, tenant, host);
      return sendRaw(bench.proxy.endpoint, {
        method: 'POST',
        target: `/?${query}`,
        headers: [['host', host], FORM, ['content-length', String(BODY.length)]],
        body: BODY,
      });
    },
  ],
};

let tried = 0;

describe('is refused in the words of IAM', () => {
  test.each(Object.entries(IAM))('%s', async (_name, [status, code, request]) => {
    const reply = await request();
    expect([reply.status, reply.code]).toEqual([status, code]);
    const text = reply.body.toString('utf8');
    expect(text).toMatch(
      /<ErrorResponse xmlns="https:\/\/(iam|sts)\.amazonaws\.com\/doc\/[0-9-]+\/"><Error><Type>Sender<\/Type>/,
    );
    expect(text).toContain(`<RequestId>${reply.headers['x-amzn-requestid']}</RequestId>`);
    expect(text).not.toContain(tenant.accessKeyId);
    tried += 1;
  });
});

describe('is refused in the words of S3', () => {
  test.each(Object.entries(S3))('%s', async (_name, [status, code, request]) => {
    const reply = await request();
    expect([reply.status, reply.code]).toEqual([status, code]);
    expect(reply.body.toString('utf8')).toMatch(/^<\?xml[^>]*>\n<Error><Code>/);
    tried += 1;
  });
});

test('after all of that the tenant has the one key it had, and the request that is right works', async () => {
  expect(tried).toBe(Object.keys(IAM).length + Object.keys(S3).length);
  for (const region of ['eu-test-1', 'us-east-1']) {
    const reply = await sendQuery(bench.proxy.endpoint, tenant, { region, parameters: { Action: 'ListAccessKeys' } });
    expect(reply.error).toBe('');
    expect(reply.root.child('ListAccessKeysResult')?.child('AccessKeyMetadata')?.children('member')).toHaveLength(1);
  }
  expect((await send()).status).toBe(200);
  // Refused signatures are events; nothing of them but their code is told.
  const events = bench.events('signature-refused');
  expect(events.length).toBeGreaterThan(15);
  expect(JSON.stringify(bench.proxy.log)).not.toContain(tenant.accessKeyId);
});
