/**
 * What was refused can no longer happen. Each refusal here comes while the request's body is still on its way; the rest of it is
 * then sent by hand, as a client would that takes the refusal for lost, or an attacker who wants a log that says otherwise.
 * Nothing is stored, and the log has the request once, with its refusal.
 */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { sharedBench } from '../helpers/bench.ts';
import { KiB, MiB } from '../helpers/bytes.ts';
import { FORM_TYPE, formBody, signedFields } from '../helpers/form.ts';
import {
  ChunkChainSigner,
  codeOf,
  framed,
  type Header,
  headText,
  objectPath,
  RawConnection,
  type RawRequest,
  signHeaders,
} from '../helpers/raw-client.ts';
import { storedKeys } from '../helpers/stored.ts';

const limits = { headMs: 1_000, bodyWindowMs: 400, lingerMs: 400, checkMs: 20 };
const bench = sharedBench({ limits });

interface Refused {
  readonly head: Buffer;
  readonly body: Buffer;
  /** Bytes of the body after which the refusal is waited for. */
  readonly before: number;
  readonly code: string;
}

const path = () => objectPath(bench.bucket, 'refused');

function put(o: Partial<RawRequest> & { body: Buffer; length?: number; as?: { secretAccessKey: string } }): Buffer {
  const { as, length, ...request } = { method: 'PUT', path: path(), ...o };
  const headers = signHeaders(request, { ...bench.tenant, ...as }, new URL(bench.proxy.endpoint).host);
  const target = request.query === undefined ? request.path : `${request.path}?${request.query}`;
  const sent: Header[] = [...headers, ['content-length', String(length ?? o.body.length)]];
  return headText({ method: request.method, target, headers: sent });
}

const body = randomBytes(3 * MiB);

const KINDS: Readonly<Record<string, () => Refused>> = {
  'a body that stops': () => ({ head: put({ body }), body, before: body.length - 8, code: 'RequestTimeout' }),
  'a wrong signature': () => ({
    head: put({ body, as: { secretAccessKey: 'another' } }),
    body,
    before: 1_000,
    code: 'SignatureDoesNotMatch',
  }),
  'a length beyond the largest': () => ({
    head: put({ body, length: 6 * 1024 * MiB }),
    body,
    before: 1_000,
    code: 'EntityTooLarge',
  }),
  'a digest that cannot be one': () => ({
    head: put({ body, headers: [['content-md5', 'x']] }),
    body,
    before: 1_000,
    code: 'InvalidDigest',
  }),
  'a header that is not served': () => ({
    head: put({ body, headers: [['x-amz-server-side-encryption-customer-algorithm', 'AES256']] }),
    body,
    before: 1_000,
    code: 'NotImplemented',
  }),
  'an unknown sub-resource': () => ({
    head: put({ body, query: 'unheard-of' }),
    body,
    before: 1_000,
    code: 'NotImplemented',
  }),
  'a chunk with a wrong signature': () => {
    const request = {
      method: 'PUT',
      path: path(),
      payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      headers: [['x-amz-decoded-content-length', String(body.length)]] as const,
    };
    const signed = signHeaders(request, bench.tenant, new URL(bench.proxy.endpoint).host);
    const whole = framed(body, { chunkBytes: 64 * KiB, signer: new ChunkChainSigner(bench.tenant, signed) });
    // In the middle of the second chunk.
    whole[100 * KiB] = (whole[100 * KiB] ?? 0) ^ 1;
    const headers: Header[] = [...signed, ['content-length', String(whole.length)]];
    const head = headText({ method: 'PUT', target: path(), headers });
    return { head, body: whole, before: 200 * KiB, code: 'SignatureDoesNotMatch' };
  },
  'a form against its policy': () => form({ changed: 'key', code: 'AccessDenied' }),
  'a form that stops in front of its file': () => {
    const whole = form({ code: 'RequestTimeout' });
    return { ...whole, before: 200 };
  },
  'a form that stops in its file': () => {
    const whole = form({ code: 'RequestTimeout' });
    return { ...whole, before: whole.body.length - 8 };
  },
};

function form({ changed, code }: { changed?: string; code: string }): Refused {
  const fields = signedFields(bench.tenant, { bucket: bench.bucket, fields: { key: 'refused' } });
  if (changed !== undefined) fields[changed] = 'refused-too';
  const whole = formBody(Object.entries(fields), { fileName: 'f', content: body });
  const headers: Header[] = [
    ['host', new URL(bench.proxy.endpoint).host],
    ['content-type', FORM_TYPE],
    ['content-length', String(whole.length)],
  ];
  const head = headText({ method: 'POST', target: `/${bench.bucket}`, headers });
  return { head, body: whole, before: 1 * MiB, code };
}

test.each(Object.keys(KINDS))('%s', async (name) => {
  const { head, body, before, code } = (KINDS[name] as () => Refused)();
  const logged = bench.proxy.log.length;
  const connection = await RawConnection.open(bench.proxy.endpoint, { allowHalfOpen: true });
  connection.write(Buffer.concat([head, body.subarray(0, before)]));
  expect(codeOf(await connection.until(/<\/Error>/))).toBe(code);
  connection.write(body.subarray(before));
  // Either the rest is read and ignored and the connection is as good as new, or it is closed.
  connection.write(`HEAD / HTTP/1.1\r\nhost: x\r\n\r\n`);
  await Promise.race([connection.ended(), connection.until(/<\/Error>HTTP\/1\.1 /)]);
  connection.close();
  await expect.poll(() => bench.proxy.connections.open).toBe(0);
  expect(await storedKeys(bench.backend.inner, bench.bucket)).toEqual([]);
  const requests = bench.proxy.log.slice(logged).filter(({ msg, method }) => msg === 'request' && method !== 'HEAD');
  expect(requests.map((line) => line['code'])).toEqual([code]);
});
