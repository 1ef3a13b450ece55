/**
 * Everything that must not be stored, over the wire, each with S3's own code and with a look at the backend afterwards: wrong
 * signatures, tampered bodies, chunks and trailers, clocks, scopes, presigned URLs, keys that are gone, bodies that break off.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sealAccessKeyId, unsealAccessKeyId } from '../../proxy/keyring/access-key-id.ts';
import { generateApiKey, secretAccessKeyOf } from '../../proxy/keyring/api-key.ts';
import { keyringName } from '../../proxy/keyring/records.ts';
import { type Bench, openBench } from '../helpers/bench.ts';
import type { TestTenant } from '../helpers/proxy.ts';
import {
  ChunkChainSigner,
  framed,
  type Header,
  headText,
  objectPath,
  percentEncode,
  presignQuery,
  RawConnection,
  type RawReply,
  type RawRequest,
  sendRaw,
  sha256Hex,
  signHeaders,
  withLength,
} from '../helpers/raw-client.ts';
import { referenceChecksum } from '../helpers/reference-checksums.ts';
import { storedKeys } from '../helpers/stored.ts';

let bench: Bench;
let host: string;
const NOW = new Date('2026-03-01T12:00:00Z');
const BODY = Buffer.from('the body that was signed');
const minutes = (count: number): Date => new Date(NOW.getTime() + count * 60_000);

beforeAll(async () => {
  bench = await openBench({ now: () => new Date(NOW) });
  host = new URL(bench.proxy.endpoint).host;
});
afterAll(() => bench.close());

let path: string;
let count = 0;
beforeEach(() => {
  path = objectPath(bench.bucket, `refused/${count++}`);
});

/** A PUT of BODY at NOW, with what the test changes. */
const put = (o: Partial<RawRequest> = {}): RawRequest => ({ method: 'PUT', path, body: BODY, date: NOW, ...o });

async function expectRefused(reply: RawReply, status: number, code: string): Promise<void> {
  expect([reply.status, reply.code], reply.body.toString()).toEqual([status, code]);
  expect(await storedKeys(bench.backend.inner, bench.bucket)).toEqual([]);
}

/** Signs, lets `change` have the headers, and sends. */
function sendChanged(
  request: RawRequest,
  o: { change?: (headers: Header[]) => Header[]; body?: Buffer; target?: string; as?: TestTenant } = {},
): Promise<RawReply> {
  const headers = signHeaders(request, o.as ?? bench.tenant, host);
  const body = o.body ?? request.body;
  return sendRaw(bench.proxy.endpoint, {
    method: request.method,
    target: o.target ?? request.path,
    headers: withLength({ ...request, ...(body === undefined ? {} : { body }) }, o.change?.(headers) ?? headers),
    ...(body === undefined ? {} : { body }),
  });
}

const replaced = (name: string, value: (old: string) => string) => (headers: Header[]) =>
  headers.map(([found, old]): Header => [found, found === name ? value(old) : old]);
const without = (name: string) => (headers: Header[]) => headers.filter(([found]) => found !== name);
const withAuthorization = (value: (old: string) => string) => replaced('authorization', value);

test('the request that all of these break in one point is accepted', async () => {
  const reply = await sendChanged(put());
  expect(reply.status, reply.body.toString()).toBe(200);
  expect((await bench.send({ method: 'DELETE', path, date: NOW })).status).toBe(204);
});

describe('signatures', () => {
  test('a wrong secret', async () => {
    const as = { ...bench.tenant, secretAccessKey: `${bench.tenant.secretAccessKey.slice(0, -1)}x` };
    await expectRefused(await sendChanged(put(), { as }), 403, 'SignatureDoesNotMatch');
  });

  test('a header changed after signing', async () => {
    const request = put({ headers: [['x-amz-meta-a', 'signed']] });
    const reply = await sendChanged(request, { change: replaced('x-amz-meta-a', () => 'changed') });
    await expectRefused(reply, 403, 'SignatureDoesNotMatch');
  });

  test('another target than the signed one', async () => {
    const other = objectPath(bench.bucket, 'refused/other');
    await expectRefused(await sendChanged(put(), { target: other }), 403, 'SignatureDoesNotMatch');
    await expectRefused(await sendChanged(put(), { target: `${path}?tagging` }), 403, 'SignatureDoesNotMatch');
  });

  test('another method than the signed one', async () => {
    const headers = signHeaders({ ...put(), method: 'GET' }, bench.tenant, host);
    const request = { method: 'PUT', target: path, headers: withLength(put(), headers), body: BODY };
    await expectRefused(await sendRaw(bench.proxy.endpoint, request), 403, 'SignatureDoesNotMatch');
  });

  test('a signature cut short, and one too long', async () => {
    for (const change of [
      (old: string) => old.slice(0, -1),
      (old: string) => `${old}0`,
      (old: string) => old.slice(0, -63),
    ]) {
      const reply = await sendChanged(put(), { change: withAuthorization(change) });
      expect([400, 403]).toContain(reply.status);
      expect(['SignatureDoesNotMatch', 'AuthorizationHeaderMalformed']).toContain(reply.code);
      expect(await storedKeys(bench.backend.inner, bench.bucket)).toEqual([]);
    }
  });

  test('an x-amz-* header that was not signed', async () => {
    const request = put({
      headers: [['x-amz-meta-extra', 'x']],
      signedHeaders: ['host', 'x-amz-content-sha256', 'x-amz-date'],
    });
    await expectRefused(await sendChanged(request), 403, 'AccessDenied');
  });

  test('a Host that was not signed', async () => {
    const request = put({ signedHeaders: ['x-amz-content-sha256', 'x-amz-date'] });
    const reply = await sendChanged(request);
    expect([400, 403]).toContain(reply.status);
    expect(await storedKeys(bench.backend.inner, bench.bucket)).toEqual([]);
  });

  test('a signed header that did not arrive', async () => {
    const request = put({ headers: [['content-type', 'text/plain']] });
    await expectRefused(await sendChanged(request, { change: without('content-type') }), 403, 'SignatureDoesNotMatch');
  });

  test('an anonymous request', async () => {
    await expectRefused(await sendChanged(put(), { change: without('authorization') }), 403, 'AccessDenied');
  });

  test('Signature Version 2, in the header and in the query', async () => {
    const header = await sendChanged(put(), {
      change: withAuthorization(() => 'AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg='),
    });
    await expectRefused(header, 400, 'InvalidRequest');
    expect(header.body.toString()).toContain('AWS4-HMAC-SHA256');
    const target = `${path}?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1&Signature=x%3D`;
    const query = await sendChanged(put(), { change: without('authorization'), target });
    await expectRefused(query, 400, 'InvalidRequest');
  });

  test('SigV4A', async () => {
    const change = withAuthorization((old) => old.replace('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256'));
    await expectRefused(await sendChanged(put(), { change }), 400, 'InvalidRequest');
  });

  test('both an Authorization header and a presigned query', async () => {
    const target = `${path}?${presignQuery(put(), bench.tenant, host)}`;
    await expectRefused(await sendChanged(put(), { target }), 400, 'InvalidArgument');
  });
});

describe('clocks and scopes', () => {
  test.each([-16, 16])('a clock off by %i minutes', async (off) => {
    await expectRefused(await sendChanged(put({ date: minutes(off) })), 403, 'RequestTimeTooSkewed');
  });

  test.each([-14, 14])('a clock off by %i minutes is accepted', async (off) => {
    expect((await sendChanged(put({ date: minutes(off) }))).status).toBe(200);
    expect((await bench.send({ method: 'DELETE', path, date: NOW })).status).toBe(204);
  });

  test('a scope of another day', async () => {
    await expectRefused(await sendChanged(put({ scopeDate: '20260228' })), 400, 'AuthorizationHeaderMalformed');
  });

  test('a scope of another service', async () => {
    await expectRefused(await sendChanged(put({ service: 'sts' })), 400, 'AuthorizationHeaderMalformed');
  });

  test('a scope of another region, where one is set', async () => {
    const strict = await openBench({ config: { region: 'eu-west-1', regionIsSet: true }, now: () => NOW });
    const reply = await strict.send({ method: 'PUT', path: objectPath(strict.bucket, 'k'), body: 'x', date: NOW });
    expect([reply.status, reply.code]).toEqual([400, 'AuthorizationHeaderMalformed']);
    expect(reply.body.toString()).toContain('<Region>eu-west-1</Region>');
    expect(await storedKeys(strict.backend.inner, strict.bucket)).toEqual([]);
    await strict.close();
  });
});

describe('presigned URLs', () => {
  const presigned = (o: { expires?: string; date?: Date; method?: string; as?: TestTenant } = {}): string => {
    const request = put({ date: o.date ?? NOW, method: o.method ?? 'PUT' });
    return `${path}?${presignQuery(request, o.as ?? bench.tenant, host, o.expires)}`;
  };
  const send = (target: string, o: { method?: string; headers?: Header[]; body?: Buffer } = {}) =>
    sendRaw(bench.proxy.endpoint, {
      method: o.method ?? 'PUT',
      target,
      headers: [['host', host], ['content-length', String((o.body ?? BODY).length)], ...(o.headers ?? [])],
      body: o.body ?? BODY,
    });

  test('one in time stores, and reads', async () => {
    expect((await send(presigned())).status).toBe(200);
    const get = await sendRaw(bench.proxy.endpoint, {
      method: 'GET',
      target: presigned({ method: 'GET' }),
      headers: [['host', host]],
    });
    expect(get.body.equals(BODY)).toBe(true);
    expect((await bench.send({ method: 'DELETE', path, date: NOW })).status).toBe(204);
  });

  test('an expired one', async () => {
    await expectRefused(await send(presigned({ date: minutes(-61), expires: '3600' })), 403, 'AccessDenied');
  });

  test('one from the future', async () => {
    await expectRefused(await send(presigned({ date: minutes(16) })), 403, 'AccessDenied');
  });

  test.each(['0', '-1', '604801'])('one for %s seconds', async (expires) => {
    await expectRefused(await send(presigned({ expires })), 403, 'AccessDenied');
  });

  test('seven days are accepted', async () => {
    expect((await send(presigned({ expires: '604800' }))).status).toBe(200);
    expect((await bench.send({ method: 'DELETE', path, date: NOW })).status).toBe(204);
  });

  test('one for reading used to write', async () => {
    await expectRefused(await send(presigned({ method: 'GET' })), 403, 'SignatureDoesNotMatch');
  });

  test('one with a longer life than was signed', async () => {
    const target = presigned({ date: minutes(-61), expires: '3600' }).replace(
      'X-Amz-Expires=3600',
      'X-Amz-Expires=36000',
    );
    await expectRefused(await send(target), 403, 'SignatureDoesNotMatch');
  });

  test('one with an x-amz-* header that was not signed', async () => {
    await expectRefused(await send(presigned(), { headers: [['x-amz-acl', 'public-read']] }), 403, 'AccessDenied');
  });

  test('one with a body in chunks', async () => {
    const headers: Header[] = [
      ['x-amz-content-sha256', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'],
      ['x-amz-decoded-content-length', '24'],
    ];
    await expectRefused(
      await send(presigned(), { headers, body: framed(BODY, { chunkBytes: 10 }) }),
      400,
      'InvalidRequest',
    );
  });
});

describe('keys', () => {
  test('an access key id that nobody sealed', async () => {
    for (const accessKeyId of [
      'AKIAIOSFODNN7EXAMPLE',
      bench.tenant.accessKeyId.slice(0, -2),
      `${bench.tenant.accessKeyId.slice(0, -8)}AAAAAAAA`,
    ]) {
      await expectRefused(
        await sendChanged(put(), { as: { ...bench.tenant, accessKeyId } }),
        403,
        'InvalidAccessKeyId',
      );
    }
  });

  test('an access key id sealed by another server', async () => {
    const other = await openBench();
    await expectRefused(await sendChanged(put(), { as: other.tenant }), 403, 'InvalidAccessKeyId');
    await other.close();
  });

  test('ids forged with the seal key alone: an unknown slot, another key in a known one, an unknown tenant', async () => {
    const { sealKeys } = bench.proxy;
    const { tenant, slot } = unsealAccessKeyId(bench.tenant.accessKeyId, sealKeys);
    const apiKey = generateApiKey();
    const forged = [
      { tenant, slot: slot === '00000000' ? '11111111' : '00000000' },
      { tenant, slot },
      { tenant: '0'.repeat(24), slot },
    ].map((place) => sealAccessKeyId({ sealKeys, ...place, apiKey }));
    for (const accessKeyId of forged) {
      const as = { tenant, accessKeyId, secretAccessKey: secretAccessKeyOf(apiKey) };
      await expectRefused(await sendChanged(put(), { as }), 403, 'InvalidAccessKeyId');
      const read = await bench.send({ method: 'GET', path: `/${bench.bucket}`, date: NOW }, as);
      expect([read.status, read.code]).toEqual([403, 'InvalidAccessKeyId']);
    }
    expect(forged).toHaveLength(3);
  });

  test('a tenant whose keyring is gone: the signature still fits, and opens nothing', async () => {
    const gone = await bench.proxy.createTenant();
    const name = await keyringObject(gone.tenant);
    const signal = AbortSignal.timeout(10_000);
    const removed = await bench.backend.inner.send({ method: 'DELETE', bucket: 'sealgate-state', key: name, signal });
    expect(removed.status).toBe(204);
    await expectRefused(await sendChanged(put(), { as: gone }), 403, 'InvalidAccessKeyId');
  });

  test('the id of one tenant with the secret of another', async () => {
    const other = await bench.proxy.createTenant();
    const as = { ...bench.tenant, secretAccessKey: other.secretAccessKey };
    await expectRefused(await sendChanged(put(), { as }), 403, 'SignatureDoesNotMatch');
  });
});

async function keyringObject(tenant: string): Promise<string> {
  const names = await storedKeys(bench.backend.inner, 'sealgate-state');
  const name = names.find((candidate) => candidate.endsWith(keyringName(tenant)));
  if (name === undefined) throw new Error('the keyring was not found');
  return name;
}

describe('bodies', () => {
  test('another body than x-amz-content-sha256 says', async () => {
    const other = Buffer.from(BODY);
    other[3] = (other[3] ?? 0) ^ 1;
    await expectRefused(await sendChanged(put(), { body: other }), 400, 'XAmzContentSHA256Mismatch');
  });

  test('the same of a large body', async () => {
    const large = Buffer.alloc(1_500_000, 'a');
    const request = put({ body: large, payload: sha256Hex(Buffer.alloc(1_500_000, 'b')) });
    await expectRefused(await sendChanged(request), 400, 'XAmzContentSHA256Mismatch');
  });

  test.each([100, 1_500_000])('a body of %i bytes cut off by its sender', async (size) => {
    const socket = await RawConnection.open(bench.proxy.endpoint);
    const body = Buffer.alloc(size, 'a');
    const headers = withLength(put({ body }), signHeaders(put({ body }), bench.tenant, host));
    const lines = bench.proxy.log.length;
    socket.write(headText({ method: 'PUT', target: path, headers }));
    socket.write(body.subarray(0, size - 1));
    socket.socket.end();
    await socket.ended();
    socket.close();
    while (bench.proxy.log.length === lines) await new Promise((resolve) => setImmediate(resolve));
    expect(await storedKeys(bench.backend.inner, bench.bucket)).toEqual([]);
  });

  test('a chunked body with less, and with more, than its decoded length', async () => {
    for (const length of ['23', '25']) {
      const headers: Header[] = [['x-amz-decoded-content-length', length]];
      const request = put({
        headers,
        payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        body: framed(BODY, { chunkBytes: 10 }),
      });
      await expectRefused(await sendChanged(request), 400, 'IncompleteBody');
    }
  });

  test('a body without any length', async () => {
    const request = put({ headers: [['transfer-encoding', 'chunked']] });
    await expectRefused(await sendChanged(request), 411, 'MissingContentLength');
  });

  test.each(['-1', '1e3', 'x', ''])('a decoded length of %j', async (length) => {
    const headers: Header[] = [['x-amz-decoded-content-length', length]];
    const request = put({
      headers,
      payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      body: framed(BODY, { chunkBytes: 10 }),
    });
    const reply = await sendChanged(request);
    expect([400, 411]).toContain(reply.status);
    expect(await storedKeys(bench.backend.inner, bench.bucket)).toEqual([]);
  });

  test('more than 5 GiB announced: EntityTooLarge before a byte is read', async () => {
    const socket = await RawConnection.open(bench.proxy.endpoint);
    const request = put({ headers: [['content-length', String(5 * 1024 ** 3 + 1)]], payload: 'UNSIGNED-PAYLOAD' });
    socket.write(headText({ method: 'PUT', target: path, headers: signHeaders(request, bench.tenant, host) }));
    const reply = await socket.until(/<\/Error>/);
    expect(reply).toContain('<Code>EntityTooLarge</Code>');
    socket.close();
  });

  test('a checksum in two algorithms at once', async () => {
    const headers: Header[] = [
      ['x-amz-checksum-crc32', referenceChecksum('CRC32', BODY)],
      ['x-amz-checksum-sha1', referenceChecksum('SHA1', BODY)],
    ];
    await expectRefused(await sendChanged(put({ headers })), 400, 'InvalidRequest');
  });

  test('headers whose meaning would be lost', async () => {
    const cases: Header[] = [
      ['x-amz-server-side-encryption-customer-algorithm', 'AES256'],
      ['x-amz-write-offset-bytes', '1'],
      ['x-amz-meta-snowball-auto-extract', 'true'],
    ];
    for (const header of cases)
      await expectRefused(await sendChanged(put({ headers: [header] })), 501, 'NotImplemented');
  });
});

/** Signed chunks, built whole, then damaged. */
describe('signed chunks', () => {
  const payload = Buffer.alloc(200_000, 'chunk');
  const crc = `x-amz-checksum-crc32c:${referenceChecksum('CRC32C', payload)}`;

  function build(o: { trailer: boolean; line?: string }): { headers: readonly Header[]; body: Buffer } {
    const mode = `STREAMING-AWS4-HMAC-SHA256-PAYLOAD${o.trailer ? '-TRAILER' : ''}`;
    const extra: Header[] = [
      ['x-amz-decoded-content-length', String(payload.length)],
      ...(o.trailer ? ([['x-amz-trailer', 'x-amz-checksum-crc32c']] as Header[]) : []),
    ];
    const request = put({ headers: extra, payload: mode });
    const headers = signHeaders(request, bench.tenant, host);
    const signer = new ChunkChainSigner(bench.tenant, headers);
    const body = framed(payload, { chunkBytes: 65536, signer, ...(o.trailer ? { trailer: o.line ?? crc } : {}) });
    return { headers: [...headers, ['content-length', String(body.length)]], body };
  }
  const send = (o: { headers: readonly Header[]; body: Buffer }) =>
    sendRaw(bench.proxy.endpoint, { method: 'PUT', target: path, headers: o.headers, body: o.body });
  const flipped = (body: Buffer, at: number): Buffer => {
    const copy = Buffer.from(body);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };

  test.each([false, true])('undamaged they are stored (trailer: %s)', async (trailer) => {
    expect((await send(build({ trailer }))).status).toBe(200);
    expect((await bench.send({ method: 'GET', path, date: NOW })).body.equals(payload)).toBe(true);
    expect((await bench.send({ method: 'DELETE', path, date: NOW })).status).toBe(204);
  });

  test('data of the first, a middle and the last chunk', async () => {
    for (const at of [200, 65536 + 500, 3 * 65536 + 700]) {
      const { headers, body } = build({ trailer: false });
      await expectRefused(await send({ headers, body: flipped(body, at) }), 403, 'SignatureDoesNotMatch');
    }
  });

  test('the signature of the final, empty chunk', async () => {
    const { headers, body } = build({ trailer: false });
    const at = body.lastIndexOf('chunk-signature=') + 'chunk-signature='.length;
    const digit = body[at] === 0x30 ? 0x31 : 0x30;
    const copy = Buffer.from(body);
    copy[at] = digit;
    await expectRefused(await send({ headers, body: copy }), 403, 'SignatureDoesNotMatch');
  });

  test('two chunks exchanged', async () => {
    const { headers, body } = build({ trailer: false });
    const size = 65536 + '10000;chunk-signature='.length + 64 + 4;
    const swapped = Buffer.concat([body.subarray(size, 2 * size), body.subarray(0, size), body.subarray(2 * size)]);
    expect(swapped.length).toBe(body.length);
    await expectRefused(await send({ headers, body: swapped }), 403, 'SignatureDoesNotMatch');
  });

  test('the trailer: its value, and its signature', async () => {
    const wrong = `x-amz-checksum-crc32c:${referenceChecksum('CRC32C', Buffer.from('other'))}`;
    await expectRefused(await send(build({ trailer: true, line: wrong })), 400, 'BadDigest');
    const { headers, body } = build({ trailer: true });
    const text = body.toString('latin1');
    const at = text.lastIndexOf('x-amz-checksum-crc32c:') + 'x-amz-checksum-crc32c:'.length;
    const changed = Buffer.from(text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1), 'latin1');
    await expectRefused(await send({ headers, body: changed }), 403, 'SignatureDoesNotMatch');
  });

  test('the trailer left out', async () => {
    const { headers } = build({ trailer: true });
    const signer = new ChunkChainSigner(bench.tenant, headers);
    const body = framed(payload, { chunkBytes: 65536, signer });
    const reply = await send({ headers: replaced('content-length', () => String(body.length))([...headers]), body });
    expect([400, 403]).toContain(reply.status);
    expect(await storedKeys(bench.backend.inner, bench.bucket)).toEqual([]);
  });

  test('the final chunk left out', async () => {
    const { headers, body } = build({ trailer: false });
    const cut = body.subarray(0, body.lastIndexOf('0;chunk-signature='));
    const reply = await send({
      headers: replaced('content-length', () => String(cut.length))([...headers]),
      body: cut,
    });
    await expectRefused(reply, 400, 'IncompleteBody');
  });

  test('bytes after the end', async () => {
    const { headers, body } = build({ trailer: false });
    const longer = Buffer.concat([body, Buffer.from('x')]);
    const reply = await send({
      headers: replaced('content-length', () => String(longer.length))([...headers]),
      body: longer,
    });
    expect(reply.status).toBe(400);
    expect(await storedKeys(bench.backend.inner, bench.bucket)).toEqual([]);
  });

  test('a signature of the wrong length in a chunk', async () => {
    const { headers, body } = build({ trailer: false });
    const text = body.toString('latin1').replace(/chunk-signature=[0-9a-f]{64}/, (found) => found.slice(0, -1));
    const shorter = Buffer.from(text, 'latin1');
    const reply = await send({
      headers: replaced('content-length', () => String(shorter.length))([...headers]),
      body: shorter,
    });
    expect([400, 403]).toContain(reply.status);
    expect(await storedKeys(bench.backend.inner, bench.bucket)).toEqual([]);
  });
});

test('every refusal of a signature left an event, and none of them a secret', () => {
  expect(bench.events('signature-refused').length).toBeGreaterThan(20);
  const lines = JSON.stringify(bench.proxy.log);
  expect(lines).not.toContain(bench.tenant.secretAccessKey);
  expect(lines).not.toContain(bench.tenant.accessKeyId);
  expect(lines).not.toContain(percentEncode(bench.tenant.accessKeyId));
  expect(lines).not.toMatch(/[0-9a-f]{64}/);
});
