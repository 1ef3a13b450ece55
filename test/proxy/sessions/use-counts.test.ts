/**
 * Protects: a session that may be used so many times is used so many times and no more, by whatever replicas its requests go to at
 * once; and a count is not forgotten while a session that it counts for may live.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UseCounts } from '../../../proxy/keyring/sessions/use-counts.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { startTestProxy, type TestProxy } from '../../helpers/proxy.ts';
import { sendSigned } from '../../helpers/raw-client.ts';
import { below, keyOf, sessionOf, type TestSession } from '../../helpers/sessions.ts';

const bench = sharedBench();
let other: TestProxy;

beforeAll(async () => {
  const { backend, capabilities, proxy } = bench;
  other = await startTestProxy({ backend, capabilities, sealKeys: proxy.sealKeys });
});
afterAll(() => other.close());

const limited = (uses: string) =>
  sessionOf(bench.proxy.endpoint, keyOf(bench.tenant), {
    Action: 'GetFederationToken',
    Name: 'limited',
    Policy: below(bench.bucket, ''),
    'Tags.member.1.Key': 'sealgate:MaxUses',
    'Tags.member.1.Value': uses,
  });

async function use(
  session: TestSession,
  endpoint: string,
  o: { method?: string; path?: string } = {},
): Promise<number> {
  const { method = 'PUT', path = `/${bench.bucket}/used` } = o;
  const headers = [['x-amz-security-token', session.sessionToken]] as const;
  const body = method === 'PUT' ? { body: 'x' } : {};
  return (await sendSigned(endpoint, session, { method, path, headers, ...body })).status;
}

test('of two uses at once on two replicas one wins, 20 times of 20', async () => {
  for (let round = 0; round < 20; round++) {
    const session = await limited('1');
    const both = await Promise.all([use(session, bench.proxy.endpoint), use(session, other.endpoint)]);
    expect(both.sort()).toEqual([200, 403]);
    expect(await use(session, other.endpoint)).toBe(403);
  }
});

test('of forty at once with ten uses ten win', async () => {
  const session = await limited('10');
  const endpoints = [bench.proxy.endpoint, other.endpoint];
  const all = await Promise.all(Array.from({ length: 40 }, (_, at) => use(session, endpoints[at % 2] ?? '')));
  expect(all.filter((status) => status === 200)).toHaveLength(10);
  expect(all.filter((status) => status === 403)).toHaveLength(30);
});

test('a HEAD and a listing count, what is refused does not, and the end is an event', async () => {
  const session = await limited('3');
  const endpoint = bench.proxy.endpoint;
  expect(await use(session, endpoint, { method: 'PUT', path: '/elsewhere/x' })).toBe(403);
  expect(await use(session, endpoint)).toBe(200);
  expect(await use(session, endpoint, { method: 'HEAD' })).toBe(200);
  expect(await use(session, endpoint, { method: 'GET', path: `/${bench.bucket}/used` })).toBe(200);
  const before = bench.events('session-used-up').length;
  expect(await use(session, endpoint)).toBe(403);
  expect(bench.events('session-used-up')).toHaveLength(before + 1);
});

test('only a number from 1 to 1,000 is taken for a number of uses', async () => {
  for (const wrong of ['0', '-1', '1001', '1.5', ' 1', '01', 'x', '']) {
    await expect(limited(wrong)).rejects.toThrow('ValidationError');
  }
});

test('a count stays until the session has ended everywhere, and goes then', async () => {
  const signal = AbortSignal.timeout(60_000);
  const state = bench.proxy.state;
  let time = Date.now();
  const counts = () => new UseCounts({ state, now: () => new Date(time) });
  await counts().removeOld(signal);
  const until = Math.floor(time / 1000) + 3_600;
  const uses = { id: 'kept', max: 2, until };
  expect([await counts().take(uses, signal), await counts().take(uses, signal)]).toEqual([true, true]);
  time = 1000 * until + 899_000;
  await counts().removeOld(signal);
  expect(await counts().take(uses, signal)).toBe(false);
  time += 2_000;
  expect(await counts().removeOld(signal)).toBeGreaterThan(0);
  expect(await counts().take(uses, signal)).toBe(true);
});
