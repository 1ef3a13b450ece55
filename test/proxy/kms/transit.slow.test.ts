/**
 * Protects: calls to OpenBao and Vault. A token that ended is replaced, by one login a second at most; it is renewed before it ends;
 * every kind of failure is told apart, and says nothing that was sent; replies have bounds.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { TransitAuth } from '../../../proxy/config/kms-config.ts';
import { KmsFailure, type KmsOwner, type KmsProvider } from '../../../proxy/kms/provider.ts';
import { Transit } from '../../../proxy/kms/transit/transit.ts';
import { type FakeTransit, fakeTransit } from '../../helpers/fake-transit.ts';

const OWNER: KmsOwner = { purpose: 'api-key+kms', tenant: 'ab'.repeat(12), slot: '01020304' };
const secret = Buffer.alloc(32, 9);
const signal = () => AbortSignal.timeout(60_000);

let server: FakeTransit;
let directory: string;
const open: KmsProvider[] = [];

beforeEach(async () => {
  server = await fakeTransit();
  directory = await mkdtemp(join(tmpdir(), 'sealgate-transit-'));
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  await server.close();
  await rm(directory, { recursive: true });
});

function transit(auth: TransitAuth = { kind: 'token', token: 'root-token' }, url = server.url): Transit {
  const made = new Transit({
    kind: 'transit',
    name: 'transit:t',
    key: 'main',
    url,
    mount: 'transit',
    namespace: undefined,
    auth,
    ca: undefined,
  });
  open.push(made);
  return made;
}

async function appRole(): Promise<TransitAuth> {
  const path = join(directory, 'secret-id');
  await writeFile(path, 'right\n');
  return { kind: 'approle', mount: 'approle', roleId: 'role', secretIdPath: path };
}

const wrapped = (kms: Transit) => kms.wrap(secret, { key: 'main', owner: OWNER }, signal());
const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof KmsFailure ? error.kind : String(error)),
  );

test('wraps and unwraps for one owner, and for no other', async () => {
  const kms = transit();
  const blob = await wrapped(kms);
  expect(blob).toMatchObject({ key: 'main', version: '1' });
  expect(await kms.unwrap(blob, OWNER, signal())).toEqual(secret);
  expect(await failureOf(kms.unwrap(blob, { ...OWNER, slot: 'ffffffff' }, signal()))).toBe('mismatch');
  expect(await kms.keyState('main', signal())).toEqual({ current: '1', oldest: '1' });
});

test('a hundred calls at once with no token take one login; a token that ended takes one more', async () => {
  const kms = transit(await appRole());
  await Promise.all(Array.from({ length: 100 }, () => wrapped(kms)));
  expect(server.logins.length).toBe(1);
  server.tokens.clear();
  await Promise.all(Array.from({ length: 100 }, () => wrapped(kms)));
  expect(server.logins.length).toBe(2);
});

test('a policy that denies looks like a token that ended: logins come one a second at most', async () => {
  const kms = transit(await appRole());
  server.answer = (request, response) => {
    if (request.url?.includes('/transit/') !== true) return false;
    response.writeHead(403).end('{"errors":["permission denied"]}');
    return true;
  };
  const outcomes = await Promise.all([1, 2, 3].map(() => failureOf(wrapped(kms))));
  expect(new Set(outcomes)).toEqual(new Set(['denied']));
  await failureOf(wrapped(kms));
  expect(server.logins.length).toBeGreaterThan(1);
  const gaps = server.logins.slice(1).map((at, index) => at - (server.logins[index] ?? 0));
  for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(990);
});

test('a token is renewed at two thirds of its life, without any call', async () => {
  server.lease = 2;
  const kms = transit(await appRole());
  await wrapped(kms);
  const began = Date.now();
  await vi.waitFor(() => expect(server.renewals).toBe(1), { timeout: 20_000 });
  expect(Date.now() - began).toBeGreaterThan(1_200);
  await vi.waitFor(() => expect(server.renewals).toBe(2), { timeout: 20_000 });
  expect(server.logins.length).toBe(1);
});

test('a server that cannot say yet how long a given token lives is asked again, and the token is renewed', async () => {
  server.tokens.set('root-token', 2);
  server.answer = (request, response) => {
    if (request.url?.endsWith('/lookup-self') !== true) return false;
    response.writeHead(503).end('{"errors":["Vault is sealed"]}');
    return true;
  };
  const kms = transit();
  expect(await failureOf(wrapped(kms))).toBe('unreachable');
  server.answer = undefined;
  expect(await failureOf(wrapped(kms))).toBe('done');
  await vi.waitFor(() => expect(server.renewals).toBeGreaterThan(0), { timeout: 20_000 });
});

test('a token that is said to live a moment is renewed once a second at most', async () => {
  server.lease = 0.001;
  const kms = transit(await appRole());
  const began = Date.now();
  await wrapped(kms);
  await vi.waitFor(() => expect(server.renewals).toBe(1), { timeout: 20_000, interval: 5 });
  expect(Date.now() - began).toBeGreaterThanOrEqual(900);
});

test('a token file that an agent replaced is read again when its token is refused', async () => {
  const path = join(directory, 'token');
  await writeFile(path, 'root-token\n');
  const kms = transit({ kind: 'token-file', path });
  await wrapped(kms);
  server.tokens.clear();
  server.tokens.set('the-next', 0);
  await writeFile(path, 'the-next\n');
  expect(await failureOf(wrapped(kms))).toBe('done');
});

test.each([
  [503, 'unreachable'],
  [500, 'unreachable'],
  [429, 'throttled'],
  [404, 'unknown-key'],
  [403, 'denied'],
  [400, 'unusable'],
] as const)('a status of %i is %s, and nothing that was sent is in the message', async (status, kind) => {
  const kms = transit();
  await wrapped(kms);
  server.answer = (_request, response) => {
    response.writeHead(status).end('{"errors":["root-token"]}');
    return true;
  };
  const error = await wrapped(kms).catch((cause: unknown) => cause);
  expect((error as KmsFailure).kind).toBe(kind);
  const text = JSON.stringify([(error as Error).message, ((error as Error).cause as Error | undefined)?.message]);
  for (const hidden of ['root-token', secret.toString('base64')]) expect(text).not.toContain(hidden);
});

test('a version below min_decryption_version is told from a secret of another owner', async () => {
  const kms = transit();
  const blob = await wrapped(kms);
  server.minDecryption = 2;
  expect(await failureOf(kms.unwrap(blob, OWNER, signal()))).toBe('disabled');
});

test('a key that was deleted is told from a secret that was altered, and so is one that may come back', async () => {
  const kms = transit();
  const blob = await wrapped(kms);
  server.gone = 'deleted';
  expect(await failureOf(kms.unwrap(blob, OWNER, signal()))).toBe('unknown-key');
  server.gone = 'soft-deleted';
  expect(await failureOf(kms.unwrap(blob, OWNER, signal()))).toBe('disabled');
});

test.each([
  '../../auth/token/revoke-self',
  '..',
  'main?a',
  'main/../../sys/seal',
  'main\n',
  '%2e%2e/%2e%2e/sys/seal',
  '',
])('a key that is named %j, as whoever has the seal key may write into a keyring, gets no request', async (key) => {
  const kms = transit();
  const blob = await wrapped(kms);
  server.requests.length = 0;
  const calls = [
    kms.wrap(secret, { key, owner: OWNER }, signal()),
    kms.unwrap({ ...blob, key }, OWNER, signal()),
    kms.keyState(key, signal()),
  ];
  expect(await Promise.all(calls.map(failureOf))).toEqual(['unknown-key', 'unknown-key', 'unknown-key']);
  expect(server.requests).toEqual([]);
});

test('an endless reply, one that is no JSON, a redirect and a closed port are failures', async () => {
  const kms = transit();
  await wrapped(kms);
  server.answer = (_request, response) => {
    response.writeHead(200);
    const more = () => {
      while (response.write('x'.repeat(65_536)));
      response.once('drain', more);
    };
    more();
    return true;
  };
  expect(await failureOf(wrapped(kms))).toBe('unreachable');
  server.answer = (_request, response) => {
    response.writeHead(200).end('no JSON');
    return true;
  };
  expect(await failureOf(wrapped(kms))).toBe('unusable');
  server.answer = (_request, response) => {
    response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end();
    return true;
  };
  expect(await failureOf(wrapped(kms))).toBe('unusable');
  expect(await failureOf(wrapped(transit(undefined, new URL('http://127.0.0.1:1'))))).toBe('unreachable');
});

test("a pod signs in with its service account's token", async () => {
  const jwtPath = join(directory, 'jwt');
  await writeFile(jwtPath, 'jwt-of-a-pod');
  const pod = { kind: 'kubernetes', mount: 'kubernetes', role: 'sealgate', jwtPath } as const;
  expect(await failureOf(wrapped(transit(pod)))).toBe('done');
  expect(await failureOf(wrapped(transit({ ...pod, role: 'another' })))).toBe('denied');
});

test('a wrong secret id is denied', async () => {
  const path = join(directory, 'secret-id');
  await writeFile(path, 'wrong');
  const kms = transit({ kind: 'approle', mount: 'approle', roleId: 'role', secretIdPath: path });
  expect(await failureOf(wrapped(kms))).toBe('denied');
  expect(await failureOf(wrapped(transit({ kind: 'token-file', path: join(directory, 'none') })))).toBe('denied');
});
