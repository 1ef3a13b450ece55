/**
 * Protects: a request that is not rightly signed stores nothing, and is refused over the wire with S3's own code: wrong
 * signatures, clocks, scopes, presigned URLs, keys that are gone.
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sealAccessKeyId, unsealAccessKeyId } from '../../proxy/keyring/access-keys/access-key-id.ts';
import { generateApiKey, secretAccessKeyOf } from '../../proxy/keyring/slots/api-key.ts';
import { keyringName } from '../../proxy/keyring/state/records.ts';
import { openBench, sharedBench } from '../helpers/bench.ts';
import type { TestTenant } from '../helpers/proxy.ts';
import {
  framed,
  type Header,
  objectPath,
  percentEncode,
  presignQuery,
  sendRaw,
  signHeaders,
  withLength,
} from '../helpers/raw-client.ts';
import { BODY, NOW, refusedRequests, replaced, without } from '../helpers/refused-requests.ts';
import { storedKeys } from '../helpers/stored.ts';

const minutes = (count: number): Date => new Date(NOW.getTime() + count * 60_000);
const withAuthorization = (value: (old: string) => string) => replaced('authorization', value);

const bench = sharedBench({ now: () => new Date(NOW) });
let host: string;
beforeAll(async () => {
  host = new URL(bench.proxy.endpoint).host;
});

let path: string;
let count = 0;
beforeEach(() => {
  path = objectPath(bench.bucket, `refused/${count++}`);
});
const { put, sendChanged, expectRefused } = refusedRequests({ bench: () => bench, path: () => path });

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
    const signal = AbortSignal.timeout(60_000);
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

test('every refusal of a signature left an event, and none of them a secret', () => {
  expect(bench.events('signature-refused').length).toBeGreaterThan(20);
  const lines = JSON.stringify(bench.proxy.log);
  expect(lines).not.toContain(bench.tenant.secretAccessKey);
  expect(lines).not.toContain(bench.tenant.accessKeyId);
  expect(lines).not.toContain(percentEncode(bench.tenant.accessKeyId));
  expect(lines).not.toMatch(/[0-9a-f]{64}/);
});
