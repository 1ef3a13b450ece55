/**
 * Everything that the program leaves behind, searched byte by byte: the store's files as they lie on the disk, the state
 * bucket, what was sent to the backend, and the log. No plaintext, no metadata, no digest of either, no key and no access key
 * id (seen elsewhere: plaintext SHA-256 left in names; client headers forwarded; derived keys parked in queues).
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bench, openBench, temporaryStore } from '../../helpers/bench.ts';
import {
  framed,
  type Header,
  objectPath,
  presignQuery,
  sendRaw,
  sha256Hex,
  signedForm,
} from '../../helpers/raw-client.ts';
import { ALGORITHMS, referenceChecksum } from '../../helpers/reference-checksums.ts';

const marker = (name: string): string => `marker-${name}-${randomBytes(9).toString('hex')}`;
const MARKERS = {
  small: marker('small'),
  large: marker('large'),
  header: marker('header'),
  metadata: marker('metadata'),
  longMetadata: marker('long-metadata'),
  referer: marker('referer'),
  form: marker('form'),
  part: marker('part'),
  refused: marker('refused'),
};

/** Request lines name it; nothing else has it. */
const AGENT = marker('agent');

const bodies = {
  small: Buffer.from(`${MARKERS.small} `.repeat(50)),
  large: Buffer.from(`${MARKERS.large} `.repeat(40_000)),
  trailer: Buffer.from(`${MARKERS.small} trailer`.repeat(30)),
  part: Buffer.from(`${MARKERS.part} `.repeat(30)),
};

let bench: Bench;
let places: ReadonlyMap<string, Buffer>;

beforeAll(async () => {
  const store = await temporaryStore();
  bench = await openBench({ store });
  await workload();
  places = await everything(store.directory);
});
afterAll(() => bench.close());

async function workload(): Promise<void> {
  const { send, bucket } = bench;
  const path = (key: string) => objectPath(bucket, key);
  const described: Header[] = [
    ['content-type', `text/${MARKERS.header}`],
    ['cache-control', MARKERS.header],
    ['content-disposition', `attachment; filename="${MARKERS.header}"`],
    ['x-amz-meta-note', MARKERS.metadata],
    ['referer', `https://example.test/${MARKERS.referer}?X-Amz-Credential=${bench.tenant.accessKeyId}`],
    ['user-agent', AGENT],
    ['cookie', MARKERS.referer],
  ];
  for (const [key, body] of [
    ['small', bodies.small],
    ['large', bodies.large],
  ] as const) {
    await send({
      method: 'PUT',
      path: path(key),
      headers: [...described, ['content-md5', digest('md5', body, 'base64')]],
      body,
    });
    for (const algorithm of ALGORITHMS) {
      const header: Header = [`x-amz-checksum-${algorithm.toLowerCase()}`, referenceChecksum(algorithm, body)];
      await send({ method: 'PUT', path: path(`${key}-${algorithm}`), headers: [...described, header], body });
    }
    await send({
      method: 'PUT',
      path: path(`${key}-long`),
      headers: [['x-amz-meta-long', MARKERS.longMetadata.repeat(40)]],
      body,
    });
    for (const method of ['GET', 'HEAD'])
      await send({ method, path: path(key), headers: [['x-amz-checksum-mode', 'ENABLED'], ...described] });
    await send({
      method: 'GET',
      path: path(key),
      headers: [
        ['range', 'bytes=5-50'],
        ['if-match', `"${digest('md5', body, 'hex')}"`],
      ],
    });
    await send({ method: 'PUT', path: path(`${key}-copy`), headers: [['x-amz-copy-source', `${bucket}/${key}`]] });
  }
  const trailer = `x-amz-checksum-sha256:${referenceChecksum('SHA256', bodies.trailer)}`;
  const chunked: Header[] = [
    ['x-amz-decoded-content-length', String(bodies.trailer.length)],
    ['x-amz-trailer', 'x-amz-checksum-sha256'],
  ];
  const payload = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
  await send({
    method: 'PUT',
    path: path('trailer'),
    headers: chunked,
    payload,
    body: framed(bodies.trailer, { chunkBytes: 500, trailer }),
  });
  await multipart(path('multipart'));
  await presignedAndForm(path('presigned'));
  await refusals(path);
  await send({ method: 'GET', path: `/${bucket}`, query: 'list-type=2' });
  const etag = `"${digest('md5', bodies.small, 'hex')}"`;
  await send({ method: 'PUT', path: path('small'), headers: [['if-match', etag]], body: bodies.small });
}

async function multipart(path: string): Promise<void> {
  const { send } = bench;
  const created = await send({
    method: 'POST',
    path,
    query: 'uploads',
    headers: [['x-amz-meta-note', MARKERS.metadata]],
  });
  const uploadId = /<UploadId>([^<]+)/.exec(created.body.toString())?.[1] ?? '';
  const part = await send({
    method: 'PUT',
    path,
    query: `partNumber=1&uploadId=${encodeURIComponent(uploadId)}`,
    body: bodies.part,
  });
  const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${String(part.headers['etag'])}</ETag></Part></CompleteMultipartUpload>`;
  const done = await send({ method: 'POST', path, query: `uploadId=${encodeURIComponent(uploadId)}`, body });
  expect(done.status, done.body.toString()).toBe(200);
}

async function presignedAndForm(path: string): Promise<void> {
  const { proxy, tenant, bucket } = bench;
  const host = new URL(proxy.endpoint).host;
  const query = presignQuery({ method: 'PUT', path }, tenant, host);
  const headers: Header[] = [
    ['host', host],
    ['content-length', String(bodies.small.length)],
  ];
  const put = await sendRaw(proxy.endpoint, { method: 'PUT', target: `${path}?${query}`, headers, body: bodies.small });
  expect(put.status, put.body.toString()).toBe(200);
  const form = signedForm({ bucket, key: 'form', content: MARKERS.form }, tenant);
  const posted = await sendRaw(proxy.endpoint, {
    method: 'POST',
    target: form.path,
    headers: [['host', host], ...form.headers],
    body: form.body,
  });
  expect(posted.status, posted.body.toString()).toBe(204);
}

/** Failures talk the most. */
async function refusals(path: (key: string) => string): Promise<void> {
  const { send, tenant } = bench;
  await send(
    { method: 'PUT', path: path('no'), headers: [['x-amz-meta-a', MARKERS.refused]], body: MARKERS.refused },
    { ...tenant, secretAccessKey: MARKERS.refused },
  );
  await send({ method: 'PUT', path: path('no'), payload: sha256Hex('other'), body: MARKERS.refused });
  await send({
    method: 'PUT',
    path: path('no'),
    headers: [['content-md5', digest('md5', Buffer.from('x'), 'base64')]],
    body: MARKERS.refused,
  });
  await send({
    method: 'PUT',
    path: path('no'),
    headers: [['authorization', `Bearer ${MARKERS.refused}`]],
    body: MARKERS.refused,
  });
  await send({ method: 'GET', path: path('no'), query: `X-Amz-Credential=${tenant.accessKeyId}` });
}

async function everything(directory: string): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile())
      found.set(join(entry.parentPath, entry.name), await readFile(join(entry.parentPath, entry.name)));
  }
  expect(found.size).toBeGreaterThan(5);
  expect([...found.values()].reduce((bytes, { length }) => bytes + length, 0)).toBeGreaterThan(5_000_000);
  found.set('the log', Buffer.from(JSON.stringify(bench.proxy.log)));
  found.set('requests to the backend', Buffer.from(JSON.stringify(bench.backend.requests)));
  expect(bench.proxy.log.length).toBeGreaterThan(30);
  return found;
}

function digest(algorithm: string, data: Buffer, encoding: 'hex' | 'base64'): string {
  return createHash(algorithm).update(data).digest(encoding);
}

function expectNowhere(name: string, needle: Buffer | string): void {
  const bytes = Buffer.from(needle);
  expect(bytes.length).toBeGreaterThanOrEqual(6);
  for (const [place, content] of places) {
    if (content.includes(bytes)) throw new Error(`${name} was found in ${place}`);
  }
}

test('the search finds what is there', () => {
  const names = ['trailer', bench.bucket, 'sealgate-1', bench.tenant.tenant];
  for (const name of names) expect([...places.values()].some((content) => content.includes(name))).toBe(true);
});

test.each(Object.entries(MARKERS))('the %s marker is nowhere, plain or encoded', (name, text) => {
  expectNowhere(name, text);
  expectNowhere(`${name} in hex`, Buffer.from(text).toString('hex'));
  // Base64 of the marker at each of the three alignments, without the characters that its neighbours decide.
  for (let shift = 0; shift < 3; shift++) {
    const encoded = Buffer.concat([Buffer.alloc(shift), Buffer.from(text)])
      .toString('base64')
      .slice(4, -4);
    expectNowhere(`${name} in base64`, encoded);
  }
});

test('the user agent is in the log alone', () => {
  const found = [...places].filter(([, content]) => content.includes(AGENT)).map(([place]) => place);
  expect(found).toEqual(['the log']);
});

describe('digests of plaintext', () => {
  test.each(Object.entries(bodies))('of the %s body: none in any algorithm, raw, hex or base64', (name, body) => {
    let searched = 0;
    for (const algorithm of ['md5', 'sha1', 'sha256', 'sha512']) {
      const raw = createHash(algorithm).update(body).digest();
      for (const form of [
        raw,
        raw.toString('hex'),
        raw.toString('hex').toUpperCase(),
        raw.toString('base64'),
        raw.toString('base64url'),
      ]) {
        expectNowhere(`${algorithm} of ${name}`, form);
        searched++;
      }
    }
    for (const algorithm of ALGORITHMS) {
      const base64 = referenceChecksum(algorithm, body);
      for (const form of [base64, Buffer.from(base64, 'base64').toString('hex')]) {
        expectNowhere(`${algorithm} of ${name}`, form);
        searched++;
      }
    }
    expect(searched).toBe(40);
  });
});

describe('keys', () => {
  test('the API key is nowhere, as text or as bytes', () => {
    const { secretAccessKey } = bench.tenant;
    expectNowhere('the API key', secretAccessKey);
    expectNowhere('the signing secret', `AWS4${secretAccessKey}`);
    expectNowhere('the API key in base64', Buffer.from(secretAccessKey).toString('base64').replace(/=+$/, ''));
    expectNowhere('the API key in hex', Buffer.from(secretAccessKey).toString('hex'));
    const raw = Buffer.from(secretAccessKey, 'base64url');
    expect(raw.length).toBe(32);
    expectNowhere('the API key as bytes', raw);
    expectNowhere('the API key as bytes in hex', raw.toString('hex'));
  });

  test('the access key id is nowhere, whole or in large part', () => {
    const { accessKeyId } = bench.tenant;
    expectNowhere('the access key id', accessKeyId);
    expectNowhere('half of the access key id', accessKeyId.slice(-Math.floor(accessKeyId.length / 2)));
    expectNowhere('a part of the access key id', accessKeyId.slice(20, 50));
  });

  test('signatures and authorization headers are not in the log', () => {
    const log = places.get('the log')?.toString() ?? '';
    expect(log).not.toMatch(/AWS4-HMAC|Credential=|Signature=/i);
    expect(log).not.toMatch(/(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/);
  });
});

test("the backend gets headers from a list, and none of the client's own", () => {
  const names = new Set(bench.backend.requests.flatMap(({ headers }) => Object.keys(headers)));
  const foreign = [...names].filter((name) =>
    /^(referer|user-agent|cookie|authorization|x-amz-checksum|x-amz-content|x-amz-date|x-amz-trailer|expect|cache-control|content-disposition)/.test(
      name,
    ),
  );
  expect(foreign).toEqual([]);
  const metadata = [...names].filter((name) => name.startsWith('x-amz-meta-'));
  expect(metadata.sort()).toEqual([
    'x-amz-meta-enc-algo',
    'x-amz-meta-enc-attrs',
    'x-amz-meta-enc-dek',
    'x-amz-meta-enc-tenant',
  ]);
});
