/**
 * Protects: how often a KMS is asked, and what requests see when it is slow, throttles, fails, refuses or is away: one call for each
 * opening however many wait; a secret is used for its time from the reply and not a moment longer; a short outage is seen by
 * nobody, a long one by a 503 that says why, and it ends at once when the KMS is back; a refusal knows no grace.
 */
import { setTimeout } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { S3Error } from '../../../proxy/errors.ts';
import { type KmsWrap, NO_KMS } from '../../../proxy/kms/kms-secrets.ts';
import { KmsFailure, type KmsOwner } from '../../../proxy/kms/provider.ts';
import { KMS_ATTEMPTS, KMS_CALL_TIMEOUT_MS } from '../../../proxy/kms-limits.ts';
import { fakeSecrets } from '../../helpers/fake-kms.ts';

const OWNER: KmsOwner = { purpose: 'api-key+kms', tenant: 'ab'.repeat(12), slot: '01020304' };
const secret = Buffer.alloc(32, 7);
const signal = () => AbortSignal.timeout(60_000);

async function sealed(o: Parameters<typeof fakeSecrets>[0] = {}) {
  const made = fakeSecrets(o);
  const wrap = await made.secrets.seal(Buffer.from(secret), made.key, OWNER, signal());
  made.kms.unwraps = 0;
  made.seen.calls.length = 0;
  const open = (within = signal()) => made.secrets.open(wrap, OWNER, within);
  /** The code of the refusal, or the secret in hex. */
  const outcome = () =>
    open().then(
      (opened) => opened.secret.toString('hex'),
      (error: unknown) => (error instanceof S3Error ? `${error.code}: ${error.message}` : String(error)),
    );
  return { ...made, wrap, open, outcome };
}

const HEX = secret.toString('hex');
const UNREACHABLE = 'ServiceUnavailable: The key service that this access key depends on cannot be reached. Try again.';

test('a thousand requests at once, and a thousand more, cost one call', async () => {
  const { kms, open } = await sealed();
  const { promise, resolve } = Promise.withResolvers<void>();
  kms.hold = promise;
  const waiting = Array.from({ length: 1000 }, () => open());
  resolve();
  const opened = await Promise.all(waiting);
  expect(opened.every((one) => one.secret.equals(secret))).toBe(true);
  for (let i = 0; i < 1000; i += 1) await open();
  expect(kms.unwraps).toBe(1);
});

test('what is given out is a copy: wiping it harms nobody', async () => {
  const { open } = await sealed();
  (await open()).secret.fill(0);
  expect((await open()).secret.equals(secret)).toBe(true);
});

test('the time counts from the reply of the KMS and is not prolonged by use', async () => {
  const { kms, clock, open, outcome } = await sealed({ cacheMs: 300_000 });
  const began = clock.ms;
  expect((await open()).until).toBe(began + 225_000);
  kms.failing = 'unreachable';
  // The last moment: it is asked for again in the background, fails, and what is held still serves.
  clock.ms = began + 299_999;
  expect(await outcome()).toBe(HEX);
  expect((await open()).until).toBe(began + 300_000);
  clock.ms = began + 300_000;
  expect(await outcome()).toBe(UNREACHABLE);
});

test('in its last quarter it is asked for again behind the back of requests', async () => {
  const { kms, clock, open } = await sealed({ cacheMs: 300_000 });
  const began = clock.ms;
  await open();
  clock.ms = began + 225_000;
  expect((await open()).until).toBe(began + 226_000);
  // At the time of the second reply, whenever a busy machine lets it come.
  await vi.waitFor(async () => expect((await open()).until).toBe(began + 225_000 + 225_000));
  expect(kms.unwraps).toBe(2);
});

test('a clock that was put back does not make a secret last longer', async () => {
  const { kms, clock, open } = await sealed();
  await open();
  clock.ms -= 3_600_000;
  await open();
  expect(kms.unwraps).toBe(2);
});

test('ten minutes down: served until the time is over, then 503 with the reason, and back at once', async () => {
  const { kms, clock, outcome } = await sealed({ cacheMs: 300_000 });
  expect(await outcome()).toBe(HEX);
  kms.failing = 'unreachable';
  const seen: string[] = [];
  // A request every ten seconds.
  for (let second = 10; second <= 600; second += 10) {
    clock.ms += 10_000;
    seen.push(await outcome());
  }
  expect(seen.slice(0, 29)).toEqual(Array.from({ length: 29 }, () => HEX));
  expect(new Set(seen.slice(29))).toEqual(new Set([UNREACHABLE]));
  kms.failing = undefined;
  clock.ms += 1_000;
  expect(await outcome()).toBe(HEX);
}, 60_000);

test('while it is down, requests of one second share one failure', async () => {
  const { kms, clock, outcome } = await sealed();
  kms.failing = 'unreachable';
  for (let i = 0; i < 100; i += 1) expect(await outcome()).toBe(UNREACHABLE);
  expect(kms.unwraps).toBe(KMS_ATTEMPTS);
  clock.ms += 1_000;
  await outcome();
  expect(kms.unwraps).toBe(2 * KMS_ATTEMPTS);
});

test('while it is away, many tenants ask it no more often than one', async () => {
  const { kms, secrets, clock, key } = fakeSecrets();
  const owners = Array.from({ length: 50 }, (_, index) => ({ ...OWNER, slot: index.toString(16).padStart(8, '0') }));
  const wraps: KmsWrap[] = [];
  for (const owner of owners) wraps.push(await secrets.seal(Buffer.from(secret), key, owner, signal()));
  kms.unwraps = 0;
  kms.failing = 'unreachable';
  const all = async () => {
    for (const [index, wrap] of wraps.entries()) {
      const owner = owners[index] ?? OWNER;
      await expect(secrets.open(wrap, owner, signal())).rejects.toThrow(/cannot be reached/);
    }
  };
  await all();
  expect(kms.unwraps).toBe(KMS_ATTEMPTS);
  clock.ms += 1_000;
  kms.failing = undefined;
  for (const [index, wrap] of wraps.entries()) {
    expect((await secrets.open(wrap, owners[index] ?? OWNER, signal())).secret.equals(secret)).toBe(true);
  }
});

test('a module that hangs and heeds no signal is a 503 in time, and keeps its place no longer', async () => {
  const { kms, seen, outcome } = await sealed();
  const heedless = vi.spyOn(kms, 'unwrap').mockImplementation(() => new Promise(() => {}));
  const began = Date.now();
  expect(await outcome()).toBe(UNREACHABLE);
  expect(Date.now() - began).toBeLessThan(KMS_CALL_TIMEOUT_MS + 20_000);
  expect(seen.calls).toEqual(['unwrap unreachable']);
  heedless.mockRestore();
});

test('closing does not wait for a module that hangs', async () => {
  const { kms, secrets } = fakeSecrets();
  vi.spyOn(kms, 'close').mockImplementation(() => new Promise(() => {}));
  const began = Date.now();
  await secrets.close();
  expect(Date.now() - began).toBeLessThan(KMS_CALL_TIMEOUT_MS + 20_000);
});

test('a grace is used when it is set, each use is told, and it ends', async () => {
  const { kms, clock, seen, outcome } = await sealed({ cacheMs: 300_000, graceMs: 600_000 });
  await outcome();
  kms.failing = 'unreachable';
  clock.ms += 300_000;
  expect(await outcome()).toBe(HEX);
  expect(seen.graces).toEqual(['it is unreachable']);
  clock.ms += 600_000;
  expect(await outcome()).toBe(UNREACHABLE);
  expect(seen.graces.length).toBe(1);
});

test.each(['disabled', 'denied', 'unknown-key'] as const)(
  'a key that is %s gets no grace, and no second attempt',
  async (kind) => {
    const { kms, clock, seen, outcome } = await sealed({ cacheMs: 300_000, graceMs: 3_600_000 });
    await outcome();
    kms.failing = kind;
    clock.ms += 299_000;
    expect(await outcome()).toBe(HEX);
    await vi.waitFor(() => expect(seen.calls).toContain(`unwrap ${kind}`));
    clock.ms += 1_000;
    expect(await outcome()).toMatch(/^ServiceUnavailable: The key service that this access key depends on (says|does)/);
    // Whoever switches the key off, and then the KMS, must not get the grace after all.
    kms.failing = 'unreachable';
    clock.ms += 1_000;
    expect(await outcome()).toBe(UNREACHABLE);
    expect(seen.graces).toEqual([]);
  },
);

test('a KMS that throttles is asked again after a pause; what lasts is said', async () => {
  const { kms, seen, outcome } = await sealed();
  kms.failing = 'throttled';
  kms.failures = 2;
  expect(await outcome()).toBe(HEX);
  expect(seen.calls).toEqual(['unwrap throttled', 'unwrap throttled', 'unwrap ok']);
  const other = await sealed();
  other.kms.failing = 'throttled';
  expect(await other.outcome()).toMatch(/takes no more calls at the moment/);
});

test('one who gives up leaves the others alone, and their call is not taken for a failure', async () => {
  const { kms, open, outcome } = await sealed();
  const { promise, resolve } = Promise.withResolvers<void>();
  kms.hold = promise;
  const gone = new AbortController();
  const [given, kept] = [open(gone.signal), open()];
  gone.abort(new Error('gone'));
  await expect(given).rejects.toThrow('gone');
  resolve();
  expect((await kept).secret.equals(secret)).toBe(true);
  expect(kms.unwraps).toBe(1);
  // The only one who waits: the call ends with the request, and the next request makes one of its own.
  const alone = await sealed();
  alone.kms.hold = new Promise(() => {});
  const last = new AbortController();
  const only = alone.open(last.signal);
  await vi.waitFor(() => expect(alone.kms.unwraps).toBe(1));
  last.abort(new Error('gone'));
  await expect(only).rejects.toThrow('gone');
  await setTimeout(0);
  alone.kms.hold = Promise.resolve();
  expect(await alone.outcome()).toBe(HEX);
  expect(await outcome()).toBe(HEX);
});

test.each([
  ['tenant', { tenant: 'cd'.repeat(12) }],
  ['slot', { slot: '05060708' }],
  ['purpose', { purpose: 'kms' as const }],
])('a secret is not given out to another %s, and is not taken from memory for it', async (_name, other) => {
  const { secrets, wrap, open } = await sealed();
  await open();
  const failure = await secrets.open(wrap, { ...OWNER, ...other }, signal()).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(KmsFailure);
  expect((failure as KmsFailure).kind).toBe('mismatch');
});

test('what is sealed was seen to open again', async () => {
  const { kms, secrets, key } = fakeSecrets();
  await secrets.seal(Buffer.from(secret), key, OWNER, signal());
  expect([kms.wraps, kms.unwraps]).toEqual([1, 1]);
});

test('wrapping again takes two calls and keeps the secret', async () => {
  const { kms, secrets, wrap } = await sealed();
  kms.rotate();
  kms.wraps = 0;
  const again = await secrets.rewrap(wrap, OWNER, signal());
  expect([kms.wraps, kms.unwraps, again.version]).toEqual([1, 1, '2']);
  expect((await secrets.open(again, OWNER, signal())).secret.equals(secret)).toBe(true);
});

test('a provider that is not configured is named, to the operator', async () => {
  const { wrap } = await sealed();
  const error = await NO_KMS.open(wrap, OWNER, signal()).catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: 'ServiceUnavailable', status: 503 });
  expect((error as Error).message).not.toContain('transit:fake');
  expect(((error as Error).cause as Error).message).toContain('transit:fake');
});
