/**
 * Protects: ending a key's sessions holds against a replica whose clock is wrong and whose keyring is an old copy. What ends them is the
 * serial in the keyring and not a time: a session that says it was issued minutes after it was ended is ended all the same.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KeyAdmin } from '../../../proxy/keyring/admin/key-admin.ts';
import { processKdfRunner } from '../../../proxy/keyring/slots/kdf.ts';
import { KEYRING_TTL_SECONDS } from '../../../proxy/limits.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { startTestProxy, type TestProxy, type TestTenant } from '../../helpers/proxy.ts';
import { sendQuery } from '../../helpers/query-api.ts';
import { sendSigned } from '../../helpers/raw-client.ts';
import { credentialsIn, keyOf, type TestSession } from '../../helpers/sessions.ts';

const AHEAD_MS = 5 * 60_000;
let time = Date.now();
const now = () => new Date(time);
const bench = sharedBench({ now });
/** On the same store, five minutes ahead. */
let fast: TestProxy;

beforeAll(async () => {
  const { backend, capabilities, proxy } = bench;
  fast = await startTestProxy({
    backend,
    capabilities,
    sealKeys: proxy.sealKeys,
    now: () => new Date(time + AHEAD_MS),
  });
});
afterAll(() => fast.close());

/** As a client does whose clock is right. */
async function issue({ endpoint }: TestProxy, tenant: TestTenant): Promise<TestSession> {
  const headers = {
    'X-Amz-Date': now()
      .toISOString()
      .replace(/[-:]|\.\d{3}/g, ''),
  };
  const parameters = { Action: 'GetSessionToken' };
  return credentialsIn(
    await sendQuery(endpoint, keyOf(tenant), { service: 'sts', parameters, headers }),
    'GetSessionToken',
  );
}

async function outcome({ endpoint }: TestProxy, session: TestSession): Promise<string> {
  const headers = [['x-amz-security-token', session.sessionToken]] as const;
  const reply = await sendSigned(endpoint, session, { method: 'GET', path: `/${bench.bucket}`, headers, date: now() });
  return reply.code || String(reply.status);
}

async function endSessions({ tenant }: TestTenant): Promise<void> {
  const { state, sealKeys } = bench.proxy;
  const admin = new KeyAdmin({ state, sealKeys, record: () => {}, now, runner: processKdfRunner });
  const signal = AbortSignal.timeout(60_000);
  const [key] = await admin.list(tenant, signal);
  await admin.update({ tenant, slot: key?.slot ?? '', change: { endSessions: true } }, signal);
}

test('what a fast replica issued ends with the others, though it says that it was issued later', async () => {
  const tenant = await bench.proxy.createTenant();
  const early = await issue(fast, tenant);
  // Both of them have the keyring now.
  expect([await outcome(bench.proxy, early), await outcome(fast, early)]).toEqual(['200', '200']);
  time += 1_000;
  await endSessions(tenant);
  // The copies of the keyring are a second old and are still believed: this is the minute that is promised.
  expect(await outcome(fast, early)).toBe('200');
  time += 1000 * KEYRING_TTL_SECONDS;
  expect([await outcome(fast, early), await outcome(bench.proxy, early)]).toEqual(['InvalidToken', 'InvalidToken']);
});

test('a session that it issues right after that is none of the ended ones, though its own copy of the keyring is old', async () => {
  const tenant = await bench.proxy.createTenant();
  expect(await outcome(fast, await issue(fast, tenant))).toBe('200');
  time += 1_000;
  await endSessions(tenant);
  // The keyring is read afresh for it.
  const next = await issue(fast, tenant);
  expect(await outcome(bench.proxy, next)).toBe('200');
  time += 1000 * KEYRING_TTL_SECONDS;
  expect([await outcome(bench.proxy, next), await outcome(fast, next)]).toEqual(['200', '200']);
});

test('a revoked key issues nothing there, at once', async () => {
  const tenant = await bench.proxy.createTenant();
  expect(await outcome(fast, await issue(fast, tenant))).toBe('200');
  const { state, sealKeys } = bench.proxy;
  const admin = new KeyAdmin({ state, sealKeys, record: () => {}, now, runner: processKdfRunner });
  const signal = AbortSignal.timeout(60_000);
  const [key] = await admin.list(tenant.tenant, signal);
  await admin.revoke({ tenant: tenant.tenant, slot: key?.slot ?? '', force: true }, signal);
  await expect(issue(fast, tenant)).rejects.toThrow('InvalidClientTokenId');
});
