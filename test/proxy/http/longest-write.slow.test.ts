/**
 * Protects: nothing is stored by a request that lasted longer than the time after which the root key that it wraps under may be
 * given up, however steadily its body comes; and only requests that write are cut.
 */

import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { LONGEST_REQUEST_SECONDS, LONGEST_WRITE_SECONDS } from '../../../proxy/limits.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { FORM_TYPE, formBody, signedFields } from '../../helpers/form.ts';
import { objectPath, sha256Hex, signHeaders } from '../../helpers/raw-client.ts';

const bench = sharedBench({ limits: { longestWriteMs: 2_000 } });

function open(method: 'GET' | 'PUT', key: string, length?: number) {
  const { host, hostname, port } = new URL(bench.proxy.endpoint);
  const path = objectPath(bench.bucket, key);
  const payload = method === 'PUT' ? 'UNSIGNED-PAYLOAD' : sha256Hex('');
  const headers = signHeaders({ method, path, payload }, bench.tenant, host).flat();
  const body = length === undefined ? [] : ['content-length', String(length)];
  return httpRequest({ hostname, port, method, path, headers: [...headers, ...body] });
}

test.each([
  ['small', MiB / 2],
  ['large', 3 * MiB],
])(
  'a PUT of a %s body that goes on for too long is cut and stores nothing; a GET is left alone',
  async (name, bytes) => {
    const Body = Buffer.alloc(16 * MiB, name);
    await bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key: 'read slowly', Body }));
    const get = open('GET', 'read slowly').end();
    const [reply] = (await once(get, 'response')) as [IncomingMessage];

    const put = open('PUT', name, bytes);
    const cut = new Promise((resolve) => put.once('close', resolve));
    put.on('error', () => undefined);
    put.write(Buffer.alloc(bytes - 64 * 1024));
    const drip = setInterval(() => put.write('x'), 20);
    await cut;
    clearInterval(drip);
    expect((await bench.send({ method: 'HEAD', path: objectPath(bench.bucket, name) })).status).toBe(404);

    let read = 0;
    for await (const chunk of reply) read += (chunk as Buffer).length;
    expect(read).toBe(Body.length);
  },
);

test('so is a form, whose file may be as long as a PUT', async () => {
  const { host, hostname, port } = new URL(bench.proxy.endpoint);
  const fields = Object.entries(signedFields(bench.tenant, { bucket: bench.bucket, fields: { key: 'form' } }));
  const whole = formBody(fields, { fileName: 'f', content: Buffer.alloc(2 * MiB) });
  const headers = { host, 'content-type': FORM_TYPE, 'content-length': String(whole.length) };
  const post = httpRequest({ hostname, port, method: 'POST', path: `/${bench.bucket}`, headers });
  const cut = new Promise((resolve) => post.once('close', resolve));
  let status: number | undefined;
  post
    .on('error', () => undefined)
    .on('response', (response) => {
      status = response.resume().statusCode;
    });
  post.write(whole.subarray(0, -64 * 1024));
  const drip = setInterval(() => post.write('x'), 20);
  await cut;
  clearInterval(drip);
  expect(status).toBeUndefined();
  expect((await bench.send({ method: 'HEAD', path: objectPath(bench.bucket, 'form') })).status).toBe(404);
});

test('what a store was sent by then is there before the root key may go', () => {
  expect(LONGEST_REQUEST_SECONDS - LONGEST_WRITE_SECONDS).toBeGreaterThanOrEqual(1_200);
});
