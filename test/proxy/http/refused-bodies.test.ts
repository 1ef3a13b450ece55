/**
 * Protects: a body that is not what was signed or promised stores nothing, and is refused over the wire with S3's own code: tampered
 * bodies, chunks and trailers, digests that do not fit, bodies that break off.
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sharedBench } from '../../helpers/bench.ts';
import {
  ChunkChainSigner,
  framed,
  type Header,
  headText,
  objectPath,
  RawConnection,
  sendRaw,
  sha256Hex,
  signHeaders,
  withLength,
} from '../../helpers/raw-client.ts';
import { referenceChecksum } from '../../helpers/reference-checksums.ts';
import { BODY, NOW, refusedRequests, replaced } from '../../helpers/refused-requests.ts';
import { storedKeys } from '../../helpers/stored.ts';

const bench = sharedBench({ now: () => new Date(NOW) });
let host: string;
beforeAll(async () => {
  host = new URL(bench.proxy.endpoint).host;
});

let path: string;
let count = 0;
beforeEach(() => {
  path = objectPath(bench.bucket, `bodies/${count++}`);
});
const { put, sendChanged, expectRefused } = refusedRequests({ bench: () => bench, path: () => path });

test('the request that all of these break in one point is accepted', async () => {
  const reply = await sendChanged(put());
  expect(reply.status, reply.body.toString()).toBe(200);
  expect((await bench.send({ method: 'DELETE', path, date: NOW })).status).toBe(204);
});

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

  test('data of the first, a middle and the last chunk: each refused, and each a security event', async () => {
    const before = bench.events('signature-refused').length;
    for (const at of [200, 65536 + 500, 3 * 65536 + 700]) {
      const { headers, body } = build({ trailer: false });
      await expectRefused(await send({ headers, body: flipped(body, at) }), 403, 'SignatureDoesNotMatch');
    }
    const events = bench.events('signature-refused').slice(before);
    expect(events).toHaveLength(3);
    expect(events.every(({ tenant }) => tenant === bench.tenant.tenant)).toBe(true);
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
    await expectRefused(reply, 400, 'MalformedTrailerError');
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
    await expectRefused(reply, 400, 'IncompleteBody');
  });

  test('a signature of the wrong length in a chunk', async () => {
    const { headers, body } = build({ trailer: false });
    const text = body.toString('latin1').replace(/chunk-signature=[0-9a-f]{64}/, (found) => found.slice(0, -1));
    const shorter = Buffer.from(text, 'latin1');
    const reply = await send({
      headers: replaced('content-length', () => String(shorter.length))([...headers]),
      body: shorter,
    });
    await expectRefused(reply, 400, 'IncompleteBody');
  });
});

test('no refusal wrote a secret into the log', () => {
  const lines = JSON.stringify(bench.proxy.log);
  expect(lines).toContain('SignatureDoesNotMatch');
  expect(lines).not.toContain(bench.tenant.secretAccessKey);
  expect(lines).not.toContain(bench.tenant.accessKeyId);
  expect(lines).not.toMatch(/[0-9a-f]{64}/);
});

/** No signature covers their framing: only its own rules tell that a body was cut or that its sizes are wrong. */
describe('unsigned chunks', () => {
  const payload = Buffer.alloc(20_000, 'chunk');
  const trailer = `x-amz-checksum-crc32c:${referenceChecksum('CRC32C', payload)}`;
  const whole = framed(payload, { chunkBytes: 8192, trailer }).toString('latin1');

  async function send(text: string) {
    const headers: Header[] = [
      ['x-amz-decoded-content-length', String(payload.length)],
      ['x-amz-trailer', 'x-amz-checksum-crc32c'],
    ];
    const body = Buffer.from(text, 'latin1');
    const request = put({ headers, payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' });
    const signed = [...signHeaders(request, bench.tenant, host), ['content-length', String(body.length)] as const];
    return sendRaw(bench.proxy.endpoint, { method: 'PUT', target: path, headers: signed, body });
  }

  test('undamaged they are stored', async () => {
    expect((await send(whole)).status).toBe(200);
    expect((await bench.send({ method: 'DELETE', path, date: NOW })).status).toBe(204);
  });

  test.each<[string, (body: string) => string]>([
    ['without the last CRLF', (body) => body.slice(0, -2)],
    ['without half of it', (body) => body.slice(0, -1)],
    ['without the end of the trailer', (body) => body.slice(0, -4)],
    ['without the final chunk', (body) => body.slice(0, body.indexOf('0\r\nx-amz-'))],
    ['without the CRLF behind a chunk', (body) => body.replace('\r\n0\r\nx-amz-', '0\r\nx-amz-')],
    ['with the size of a chunk one too small', (body) => body.replace('2000\r\n', '1fff\r\n')],
    ['with the size of a chunk one too large', (body) => body.replace('2000\r\n', '2001\r\n')],
    ['with the size of a chunk far too large', (body) => body.replace('2000\r\n', '200000\r\n')],
    ['with a size that is no number', (body) => body.replace('2000\r\n', 'zzzz\r\n')],
    ['with bytes behind the end', (body) => `${body}x`],
  ])('%s: IncompleteBody', async (_, damage) => {
    const damaged = damage(whole);
    expect(damaged).not.toBe(whole);
    const reply = await send(damaged);
    await expectRefused(reply, 400, 'IncompleteBody');
    expect(reply.body.toString()).toContain('<Message>The request body terminated unexpectedly');
  });
});
