// Protects: each way in which a store can be out of reach or refuse the proxy at the start is told apart, with the setting to
// look at and the store's own words, and never with a credential.
import { once } from 'node:events';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { createServer as createTcp } from 'node:net';
import { afterAll, describe, expect, test } from 'vitest';
import { ensureBucket } from '../../../../proxy/backend/ensure-bucket.ts';
import { explainStoreFailure } from '../../../../proxy/backend/trouble/explain-store-failure.ts';
import { type StoreTroubleKind, troubleText } from '../../../../proxy/backend/trouble/store-trouble.ts';
import { waitForStore } from '../../../../proxy/cli/wait-for-store.ts';
import { StateStore } from '../../../../proxy/keyring/state/state.ts';
import { certificateAuthority } from '../../../helpers/certificates.ts';
import { listening } from '../../../helpers/listening.ts';
import { ACCESS_KEY_ID, never, openTestBackend, SECRET } from '../s3/open.ts';

const authority = certificateAuthority();
afterAll(() => authority?.close());

const REGION = 'us-east-1';

/** What a start says of the store at that address; `undefined` when nothing is wrong. */
async function startOn(
  endpoint: string | URL,
  o: Parameters<typeof openTestBackend>[1] = {},
): Promise<{ kind: StoreTroubleKind; text: string } | undefined> {
  const backend = openTestBackend(new URL(endpoint), o);
  const state = new StateStore({ backend, bucket: 'state', prefix: '', region: o.region ?? REGION });
  try {
    await waitForStore({ backend, state }, { warn: () => undefined }, 0);
    await state.ensureBucket(never());
    return undefined;
  } catch (error) {
    const trouble = explainStoreFailure(error);
    if (trouble === undefined) throw error;
    const text = troubleText(trouble);
    expect(text).not.toContain(ACCESS_KEY_ID);
    expect(text).not.toContain(SECRET);
    return { kind: trouble.kind, text };
  } finally {
    await backend.close();
  }
}

/** A store that answers everything so, HEAD without a document. */
async function refusing(answer: {
  status: number;
  code?: string;
  message?: string;
  more?: string;
  headers?: Record<string, string>;
  buckets?: readonly string[];
}): Promise<string> {
  const { status, code, message = '', more = '', headers = {}, buckets } = answer;
  const listener: RequestListener = (request, response) => {
    if (request.url === '/' && buckets !== undefined) {
      const rows = buckets
        .map((name) => `<Bucket><Name>${name}</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket>`)
        .join('');
      response.end(`<ListAllMyBucketsResult><Buckets>${rows}</Buckets></ListAllMyBucketsResult>`);
      return;
    }
    response.writeHead(status, headers);
    if (request.method === 'HEAD') response.end();
    else if (code === undefined) response.end(message);
    else response.end(`<Error><Code>${code}</Code><Message>${message}</Message>${more}</Error>`);
  };
  return `http://127.0.0.1:${await listening(createHttp(listener))}`;
}

describe('a refusal', () => {
  test.each<[string, Parameters<typeof refusing>[0], StoreTroubleKind, RegExp]>([
    [
      'wrong key id',
      { status: 403, code: 'InvalidAccessKeyId', message: `No such key: ${ACCESS_KEY_ID}` },
      'unknown-key-id',
      /SEALGATE_BACKEND_ACCESS_KEY_ID.*403 InvalidAccessKeyId to HeadBucket: No such key: \[withheld\]/,
    ],
    [
      'wrong secret',
      {
        status: 403,
        code: 'SignatureDoesNotMatch',
        message: 'The signature differs.',
        more: '<StringToSign>x</StringToSign>',
      },
      'wrong-secret',
      /SEALGATE_BACKEND_SECRET_ACCESS_KEY.*The signature differs\.$/,
    ],
    [
      'clock skew',
      {
        status: 403,
        code: 'RequestTimeTooSkewed',
        headers: { date: new Date(Date.now() + 3 * 3_600_000).toUTCString() },
      },
      'clock-skew',
      /this one is 3 hours behind.*NTP/,
    ],
    [
      'clock skew that shows as a signature',
      { status: 403, code: 'SignatureDoesNotMatch', headers: { date: new Date(Date.now() - 1_200_000).toUTCString() } },
      'wrong-secret',
      /The clocks differ, too: this one is 20 minutes ahead/,
    ],
    ['expired token', { status: 400, code: 'ExpiredToken' }, 'expired-credentials', /session token/],
    [
      'another region, by redirect',
      { status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'eu-west-1' } },
      'wrong-region',
      /SEALGATE_BACKEND_REGION=eu-west-1/,
    ],
    ['a redirect without a document', { status: 301 }, 'wrong-region', /SEALGATE_BACKEND_REGION/],
    [
      'another region, by signature',
      {
        status: 400,
        code: 'AuthorizationHeaderMalformed',
        message: 'the region is wrong',
        more: '<Region>garage</Region>',
      },
      'wrong-region',
      /SEALGATE_BACKEND_REGION=garage/,
    ],
    [
      'a missing permission',
      { status: 403, code: 'AccessDenied', message: 'not authorized to perform: s3:ListBucket', buckets: ['state'] },
      'access-denied',
      /s3:ListBucket.*not authorized to perform/,
    ],
    [
      "somebody else's bucket",
      { status: 403, code: 'AccessDenied', buckets: ['mine'] },
      'bucket-of-another',
      /not among those.*SEALGATE_STATE/,
    ],
    [
      'a port that wants TLS and says so',
      { status: 400, message: 'Client sent an HTTP request to an HTTPS server.\n' },
      'wrong-scheme',
      /https:\/\/ in SEALGATE_BACKEND/,
    ],
    [
      'a web server',
      { status: 405, message: '<html><head><style>p{}</style></head><body><h1>Not Allowed</h1></body></html>' },
      'not-s3',
      /no S3 API.*405 \(no code\) to HeadBucket: Not Allowed$/,
    ],
    ['a full store', { status: 507, code: 'XMinioStorageFull' }, 'full', /full/],
    ['a store out of order', { status: 503, code: 'ServiceUnavailable' }, 'failing', /its own/],
  ])('%s', async (_, answer, kind, text) => {
    const told = await startOn(await refusing(answer));
    expect(told).toMatchObject({ kind, text: expect.stringMatching(text) });
  });

  test("a bucket of somebody else's that is missing by HEAD and taken by PUT", async () => {
    const port = await listening(
      createHttp((request, response) => {
        const taken = '<Error><Code>BucketAlreadyExists</Code><Message>not available</Message></Error>';
        response.writeHead(request.method === 'HEAD' ? 404 : 409);
        response.end(request.method === 'HEAD' ? '' : taken);
      }),
    );
    const told = await startOn(`http://127.0.0.1:${port}`);
    expect(told).toMatchObject({ kind: 'bucket-of-another', text: expect.stringMatching(/409 BucketAlreadyExists/) });
  });
});

describe('no way to the store', () => {
  test('a name that does not resolve', async () => {
    const told = await startOn('http://store.invalid:9000');
    expect(told).toMatchObject({ kind: 'unknown-host', text: expect.stringContaining('store.invalid') });
  });

  test('nothing listens', async () => {
    const server = createTcp();
    const port = await listening(server);
    server.close();
    await once(server, 'close');
    const told = await startOn(`http://127.0.0.1:${port}`);
    expect(told).toMatchObject({ kind: 'connection-refused', text: expect.stringContaining(`127.0.0.1:${port}`) });
  });

  test('something that is no HTTP', async () => {
    const port = await listening(createTcp((socket) => socket.end('220 mail.test ESMTP\r\n\r\n')));
    expect(await startOn(`http://127.0.0.1:${port}`)).toMatchObject({ kind: 'not-s3' });
  });

  test('plain HTTP behind https://', async () => {
    const port = await listening(createHttp((_, response) => response.end()));
    const told = await startOn(`https://127.0.0.1:${port}`);
    expect(told).toMatchObject({ kind: 'wrong-scheme', text: expect.stringMatching(/does not speak TLS.*http:\/\//) });
  });
});

describe.skipIf(authority === undefined)('TLS', () => {
  const serve = async (o: { names?: string; isExpired?: boolean; wantsCertificate?: boolean } = {}) => {
    const pair = authority?.issue({ names: o.names ?? 'IP:127.0.0.1', isExpired: o.isExpired ?? false });
    const clients = { requestCert: true, ca: authority?.ca ?? '' };
    const server = createHttps({ ...pair, ...(o.wantsCertificate === true ? clients : {}) }, (_, response) =>
      response.end(),
    );
    return `https://127.0.0.1:${await listening(server)}`;
  };
  const trusted = { tls: { ca: authority?.ca ?? '' } };

  test('all is well', async () => {
    expect(await startOn(await serve(), trusted)).toBeUndefined();
  });

  test('http:// to a server that closes without a word', async () => {
    const told = await startOn((await serve()).replace('https', 'http'));
    expect(told).toMatchObject({ kind: 'wrong-scheme', text: expect.stringContaining('https:// in SEALGATE_BACKEND') });
  });

  test('http:// to a server that answers with an alert', async () => {
    const port = await listening(createTcp((socket) => socket.end(Buffer.from('15030100020246', 'hex'))));
    expect(await startOn(`http://127.0.0.1:${port}`)).toMatchObject({ kind: 'wrong-scheme' });
  });

  test('an authority that is not trusted', async () => {
    expect(await startOn(await serve())).toMatchObject({
      kind: 'tls-untrusted',
      text: expect.stringContaining('SEALGATE_BACKEND_CA'),
    });
  });

  test('a certificate that has expired', async () => {
    expect(await startOn(await serve({ isExpired: true }), trusted)).toMatchObject({ kind: 'tls-expired' });
  });

  test('a certificate for another name', async () => {
    expect(await startOn(await serve({ names: 'DNS:other.test' }), trusted)).toMatchObject({
      kind: 'tls-hostname',
      text: expect.stringMatching(/DNS:other\.test.*not 127\.0\.0\.1/),
    });
  });

  test('a client certificate is wanted', async () => {
    expect(await startOn(await serve({ wantsCertificate: true }), trusted)).toMatchObject({
      kind: 'tls-client-certificate',
      text: expect.stringContaining('SEALGATE_BACKEND_CLIENT_CERT'),
    });
  });
});

test.each([
  ['us-east-1', ''],
  ['auto', ''],
  ['eu-west-1', '<LocationConstraint>eu-west-1</LocationConstraint>'],
])('a missing bucket is made in the region %s', async (region, constraint) => {
  const bodies: string[] = [];
  const port = await listening(
    createHttp(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      if (request.method === 'PUT') bodies.push(body);
      response.writeHead(request.method === 'PUT' ? 200 : 404).end();
    }),
  );
  const backend = openTestBackend(new URL(`http://127.0.0.1:${port}`), { region });
  await ensureBucket(backend, { bucket: 'state', region, signal: never() });
  await backend.close();
  expect(bodies).toHaveLength(1);
  expect(bodies[0]).toContain(constraint);
  if (constraint === '') expect(bodies[0]).toBe('');
});
