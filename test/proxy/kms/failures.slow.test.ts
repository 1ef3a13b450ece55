/**
 * Protects: what clients see while a KMS is slow, throttles, lets tokens end, or is down for ten minutes. A proxy with Transit behind it, a
 * client that reads an object once a minute, and a clock to turn. docs/kms.md has the table.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Transit } from '../../../proxy/kms/transit/transit.ts';
import { type FakeTransit, fakeTransit } from '../../helpers/fake-transit.ts';
import { openKmsBench } from '../../helpers/kms-bench.ts';
import type { TestTenant } from '../../helpers/proxy.ts';

/** Of the clock, and a second more than a keyring is used without a look at it. */
const MINUTE = 61_000;
/** The time of SEALGATE_KMS_CACHE ends in the fifth. */
const MINUTES = Array.from({ length: 10 }, (_, minute) => minute);

let server: FakeTransit;
let directory: string;
let on: Awaited<ReturnType<typeof openKmsBench>>;
let tenant: TestTenant;
/** Of the clock of the proxy, when the key was opened first. */
let opened: number;

beforeEach(async () => {
  server = await fakeTransit();
  directory = await mkdtemp(join(tmpdir(), 'sealgate-kms-'));
  const secretIdPath = join(directory, 'secret-id');
  await writeFile(secretIdPath, 'right\n');
  const auth = { kind: 'approle', mount: 'approle', roleId: 'role', secretIdPath } as const;
  const about = { kind: 'transit', name: 'transit:t', key: 'main', mount: 'transit' } as const;
  const provider = new Transit({ ...about, url: server.url, namespace: undefined, auth, ca: undefined });
  on = await openKmsBench({ provider });
  tenant = await on.createTenant();
});
afterEach(async () => {
  await on.close();
  await server.close();
  await rm(directory, { recursive: true });
});

/** The status of a GET, with S3's code and words where it is none of an object. */
async function read(): Promise<string> {
  const path = `/${on.bench.bucket}/${tenant.tenant}`;
  const { status, body } = await on.bench.send({ method: 'GET', path }, tenant);
  if (status === 200) return '200';
  const [, code] = /<Code>(\w+)</.exec(String(body)) ?? [];
  const [, message] = /<Message>([^<]+)</.exec(String(body)) ?? [];
  return `${status} ${code}: ${message}`;
}

async function open(): Promise<void> {
  expect(await on.put(tenant)).toBe(200);
  opened = on.clock.aheadMs;
}

/** What the client saw at each minute after the opening. */
async function readEachMinute(): Promise<string[]> {
  const seen: string[] = [];
  for (const minute of MINUTES) {
    on.clock.aheadMs = opened + minute * MINUTE;
    seen.push(await read());
  }
  return seen;
}

const WAIT = { timeout: 30_000 };
const unwraps = () => server.requests.filter((one) => one.includes('/decrypt/')).length;
const five = (text: string) => Array.from({ length: 5 }, () => text);

/** Every call of the engine, and no login, is answered so. */
function engine(answer: (response: ServerResponse) => void): void {
  server.answer = (request, response) => {
    if (request.url?.includes('/transit/') !== true) return false;
    answer(response);
    return true;
  };
}

test('slow: the first request waits for the KMS, no later one does, and none fails', async () => {
  const first = Promise.withResolvers<void>();
  server.hold = first.promise;
  let isAnswered = false;
  const put = open().then(() => {
    isAnswered = true;
  });
  await vi.waitFor(() => expect(server.underWay).toBe(1), WAIT);
  expect(isAnswered).toBe(false);
  first.resolve();
  await put;
  const calls = unwraps();
  for (const minute of [1, 2, 3]) {
    on.clock.aheadMs = opened + minute * MINUTE;
    expect(await read()).toBe('200');
  }
  expect(unwraps()).toBe(calls);
  // In the last quarter of the time the KMS is asked behind the back of requests.
  const second = Promise.withResolvers<void>();
  server.hold = second.promise;
  on.clock.aheadMs = opened + 4 * MINUTE;
  expect(await read()).toBe('200');
  await vi.waitFor(() => expect([unwraps(), server.underWay]).toEqual([calls + 1, 1]), WAIT);
  expect(await read()).toBe('200');
  second.resolve();
  await vi.waitFor(() => expect(server.underWay).toBe(0), WAIT);
  on.clock.aheadMs = opened + 5 * MINUTE;
  expect(await read()).toBe('200');
  expect(unwraps()).toBe(calls + 1);
});

test('throttles for a moment: the request waits for the pause, and is served', async () => {
  await open();
  let refused = 0;
  server.answer = (request, response) => {
    if (request.url?.includes('/decrypt/') !== true || refused === 2) return false;
    refused += 1;
    response.writeHead(429).end('{"errors":["request path rate limit quota exceeded"]}');
    return true;
  };
  on.clock.aheadMs = opened + 5 * MINUTE;
  expect(await read()).toBe('200');
  expect(refused).toBe(2);
});

test('throttles for good: served until the time is over, then 503', async () => {
  await open();
  engine((response) => response.writeHead(429).end('{"errors":["request path rate limit quota exceeded"]}'));
  const refused =
    '503 ServiceUnavailable: The key service that this access key depends on takes no more calls at the moment. Try again.';
  expect(await readEachMinute()).toEqual([...five('200'), ...five(refused)]);
  server.answer = undefined;
  on.clock.aheadMs += MINUTE;
  expect(await read()).toBe('200');
});

test('ends every token: one login more, and no client sees it', async () => {
  await open();
  server.tokens.clear();
  const logins = server.logins.length;
  on.clock.aheadMs = opened + 5 * MINUTE;
  expect(await Promise.all(Array.from({ length: 50 }, read))).toEqual(Array.from({ length: 50 }, () => '200'));
  expect(server.logins.length).toBe(logins + 1);
});

test('denies: served until the time is over, then 503', async () => {
  await open();
  engine((response) => response.writeHead(403).end('{"errors":["permission denied"]}'));
  const refused =
    '503 ServiceUnavailable: The key service that this access key depends on does not let this server use the key.';
  expect(await readEachMinute()).toEqual([...five('200'), ...five(refused)]);
});

test('is down for ten minutes: served for five, then 503, and served at once when it is back', async () => {
  await open();
  engine((response) => response.destroy());
  const refused =
    '503 ServiceUnavailable: The key service that this access key depends on cannot be reached. Try again.';
  expect(await readEachMinute()).toEqual([...five('200'), ...five(refused)]);
  server.answer = undefined;
  on.clock.aheadMs += MINUTE;
  expect(await read()).toBe('200');
});
