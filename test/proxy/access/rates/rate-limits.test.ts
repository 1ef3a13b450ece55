/**
 * Protects: what comes too often from one address is refused before its signature is looked at, from one key and tenant after; with the
 * answer that SDKs wait on; counted, told once, and without taking anything from others.
 */
import { randomBytes } from 'node:crypto';
import { HeadBucketCommand } from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { RateLimits } from '../../../../proxy/access/rates/rate-limits.ts';
import { REPEATED_EVENT_MS } from '../../../../proxy/address-limits.ts';
import type { SecurityEvent } from '../../../../proxy/observe/events.ts';
import { createMetrics } from '../../../../proxy/observe/metrics.ts';
import { sharedBench } from '../../../helpers/bench.ts';
import { type Header, type RawReply, sendRaw } from '../../../helpers/raw-client.ts';
import { sessionOf, sts } from '../../../helpers/sessions.ts';

const SLOW = 0.01;
const get = (bucket: string, headers: readonly Header[] = []) =>
  ({ method: 'GET', path: `/${bucket}`, headers }) as const;
const from = (address: string): readonly Header[] => [['x-forwarded-for', address]];
const told = ({ status, code, headers }: RawReply) => [status, code, Number(headers['retry-after']) > 0];
const REFUSED = [503, 'SlowDown', true];

describe('of an address', () => {
  const bench = sharedBench({
    config: { rates: { address: { perSecond: SLOW, burst: 3 } }, trustedProxies: ['127.0.0.0/8'] },
  });

  test('the requests of a burst are taken; more are refused, whoever signed them, and none of others', async () => {
    const { bucket } = bench;
    for (let i = 0; i < 3; i++) expect((await bench.send(get(bucket, from('198.51.100.1')))).status).toBe(200);
    expect(told(await bench.send(get(bucket, from('198.51.100.1'))))).toEqual(REFUSED);
    const stranger = {
      tenant: '',
      accessKeyId: 'x'.repeat(107),
      secretAccessKey: randomBytes(32).toString('base64url'),
    };
    expect(told(await bench.send(get(bucket, from('198.51.100.1')), stranger))).toEqual(REFUSED);
    expect((await bench.send(get(bucket, from('198.51.100.2')))).status).toBe(200);
    expect(bench.events('rate-limited')).toEqual([
      expect.objectContaining({
        sourceIPAddress: '198.51.100.1',
        msg: expect.stringContaining('SEALGATE_RATE_ADDRESS'),
      }),
    ]);
  });

  test('requests without a good signature count', async () => {
    const { endpoint } = bench.proxy;
    const anonymous = () =>
      sendRaw(endpoint, {
        method: 'GET',
        target: `/${bench.bucket}`,
        headers: [['host', 'x'], ...from('198.51.100.3')],
      });
    for (let i = 0; i < 3; i++) expect((await anonymous()).code).toBe('AccessDenied');
    expect(told(await anonymous())).toEqual(REFUSED);
    expect(told(await bench.send(get(bench.bucket, from('198.51.100.3'))))).toEqual(REFUSED);
  });

  test('a network of IPv6 is one address, in whatever spelling', async () => {
    const spelt = ['2001:db8:5::1', '2001:DB8:5:0::2', '[2001:db8:5::ffff:1]:443'];
    for (const address of spelt) expect((await bench.send(get(bench.bucket, from(address)))).status).toBe(200);
    expect(told(await bench.send(get(bench.bucket, from('2001:db8:5::9'))))).toEqual(REFUSED);
    expect((await bench.send(get(bench.bucket, from('2001:db8:5:1::1')))).status).toBe(200);
  });

  test('requests whose address is not known count together', async () => {
    const unknown = [from('unknown'), [], from('_a'), from('_b')];
    const replies = [];
    for (const headers of unknown) replies.push((await bench.send(get(bench.bucket, headers))).status);
    expect(replies).toEqual([200, 200, 200, 503]);
  });

  test('preflights, forms, IAM, STS and the credentials endpoint count too', async () => {
    const { endpoint } = bench.proxy;
    const asks = {
      preflight: {
        method: 'OPTIONS',
        target: `/${bench.bucket}/k`,
        more: [
          ['origin', 'http://a'],
          ['access-control-request-method', 'GET'],
        ],
      },
      form: {
        method: 'POST',
        target: `/${bench.bucket}`,
        more: [
          ['content-type', 'multipart/form-data; boundary=b'],
          ['content-length', '0'],
        ],
      },
      sts: {
        method: 'POST',
        target: '/',
        more: [
          ['content-type', 'application/x-www-form-urlencoded'],
          ['content-length', '0'],
        ],
      },
      credentials: { method: 'GET', target: '/v1/credentials/a', more: [['authorization', 'x']] },
      'a preflight of STS': { method: 'OPTIONS', target: '/v1/credentials/a', more: [['origin', 'http://a']] },
    } as const;
    for (const [at, [name, { method, target, more }]] of Object.entries(asks).entries()) {
      const headers = [['host', '127.0.0.1'], ...from(`192.0.2.${at}`), ...more] as Header[];
      const replies: RawReply[] = [];
      for (let i = 0; i < 4; i++) replies.push(await sendRaw(endpoint, { method, target, headers }));
      const slowed = replies.map((reply) => /SlowDown|Throttling/.test(String(reply.body)));
      expect([name, slowed]).toEqual([name, [false, false, false, true]]);
      expect([name, Number(replies.at(-1)?.headers['retry-after']) > 0]).toEqual([name, true]);
    }
  });
});

describe('of a key and of a tenant', () => {
  const bench = sharedBench({
    config: { rates: { key: { perSecond: SLOW, burst: 3 }, tenant: { perSecond: SLOW, burst: 5 } } },
  });

  test('a key that asks too often takes nothing from the tenant, whose other keys go on; then the tenant has had its part', async () => {
    const { bucket, tenant, proxy } = bench;
    const other = await proxy.createTenant();
    const session = await sessionOf(proxy.endpoint, tenant);
    const token: Header[] = [['x-amz-security-token', session.sessionToken]];
    const as = { ...tenant, ...session };
    // The session counts towards its key, and so did asking for it.
    expect((await bench.send(get(bucket))).status).toBe(200);
    expect((await bench.send(get(bucket, token), as)).status).toBe(200);
    for (let i = 0; i < 4; i++) expect(told(await bench.send(get(bucket)))).toEqual(REFUSED);
    expect(told(await bench.send(get(bucket, token), as))).toEqual(REFUSED);
    const identity = await sts(proxy.endpoint, tenant, { Action: 'GetCallerIdentity' });
    expect([identity.error, Number(identity.headers['retry-after']) > 0]).toEqual(['Throttling', true]);
    expect((await bench.send(get(bucket), other)).status).toBe(200);
    const events = bench.events('rate-limited');
    expect(events).toEqual([expect.objectContaining({ tenant: tenant.tenant, accessKey: expect.any(String) })]);
  });

  test('an unknown key counts nowhere: nobody uses up what a tenant may by guessing', async () => {
    const { bucket, proxy } = bench;
    const tenant = await proxy.createTenant();
    const forged = { ...tenant, secretAccessKey: randomBytes(32).toString('base64url') };
    for (let i = 0; i < 10; i++) expect((await bench.send(get(bucket), forged)).code).toBe('SignatureDoesNotMatch');
    expect((await bench.send(get(bucket), tenant)).status).toBe(200);
  });
});

test('a stock SDK waits and comes again', async () => {
  const bench = sharedOnce;
  const client = bench.proxy.client(bench.tenant, { maxAttempts: 4 });
  const results = await Promise.all(
    Array.from({ length: 6 }, () => client.send(new HeadBucketCommand({ Bucket: bench.bucket }))),
  );
  expect(results).toHaveLength(6);
  expect(results.some(({ $metadata }) => ($metadata.attempts ?? 1) > 1)).toBe(true);
  client.destroy();
});
const sharedOnce = sharedBench({ config: { rates: { key: { perSecond: 20, burst: 2 } } } });

test('what was refused is counted by kind, and no name is in the metric', async () => {
  const metrics = createMetrics();
  for (const kind of ['address', 'tenant', 'key', 'key'] as const) metrics.rateRefused(kind);
  const lines = (await metrics.render()).split('\n').filter((line) => line.startsWith('sealgate_rate_refused_total'));
  expect(lines).toEqual([
    'sealgate_rate_refused_total{limit="address"} 1',
    'sealgate_rate_refused_total{limit="tenant"} 1',
    'sealgate_rate_refused_total{limit="key"} 2',
  ]);
});

describe('refusals', () => {
  function limits(now: () => number) {
    const events: SecurityEvent[] = [];
    const kinds: string[] = [];
    const rate = { perSecond: 0.001, burst: 1 };
    const all = new RateLimits({
      rates: { address: rate, key: rate, tenant: { perSecond: 0.001, burst: 2 } },
      record: (event) => void events.push(event),
      onRefused: (kind) => kinds.push(kind),
      now,
    });
    return { all, events, kinds };
  }
  const caller = (slot: string) => ({ tenant: 't', slot, accessKey: 'f', requestId: 'r' });
  const code = (work: Promise<void> | undefined) =>
    Promise.resolve(work).then(
      () => 'taken',
      (error: unknown) => String((error as { code?: string }).code),
    );

  test('are told once a minute for each, and counted each time', async () => {
    let now = 0;
    const { all, events, kinds } = limits(() => now);
    const ask = (client: string) => code(all.admitAddress({ client, requestId: 'r' }));
    expect([await ask('a'), await ask('b')]).toEqual(['taken', 'taken']);
    for (let i = 0; i < 5; i++) expect([await ask('a'), await ask('b')]).toEqual(['SlowDown', 'SlowDown']);
    expect([events.length, kinds.length]).toEqual([2, 10]);
    now += REPEATED_EVENT_MS;
    await ask('a');
    expect(events).toHaveLength(3);
    expect(JSON.stringify(events)).not.toMatch(/"[ab]"/);
  });

  test('of a key come before its tenant is asked', async () => {
    const { all, kinds } = limits(() => 0);
    const outcomes = [];
    for (const slot of ['1', '1', '1', '2', '3']) outcomes.push(await code(all.admitCaller(caller(slot))));
    expect(outcomes).toEqual(['taken', 'SlowDown', 'SlowDown', 'taken', 'SlowDown']);
    expect(kinds).toEqual(['key', 'key', 'tenant']);
  });

  test('without rates there are none', async () => {
    const all = new RateLimits({ rates: {}, record: () => expect.fail(), onRefused: () => expect.fail() });
    for (let i = 0; i < 1000; i++) {
      await all.admitAddress({ client: 'a', requestId: 'r' });
      await all.admitCaller(caller('1'));
    }
  });
});
