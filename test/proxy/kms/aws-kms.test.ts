/**
 * Protects: calls to AWS KMS. They are signed as an independent implementation signs them, body included; the owner is the encryption
 * context; each of the service's errors is what it means, and nothing that was sent is in it.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import aws4 from 'aws4';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { AwsKms } from '../../../proxy/kms/aws-kms/aws-kms.ts';
import type { KmsFailure, KmsOwner } from '../../../proxy/kms/provider.ts';

const OWNER: KmsOwner = { purpose: 'api-key+kms', tenant: 'ab'.repeat(12), slot: '01020304' };
const ARN = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const KEY_ID = 'AKIDKMSTEST';
const SECRET = 'kms-test-secret-access-key-0123456789';
const signal = () => AbortSignal.timeout(60_000);

let server: Server;
let directory: string;
let kms: AwsKms;
let seen: { headers: IncomingHttpHeaders; body: string }[];
let reply: { status: number; json: unknown };

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    seen.push({ headers: request.headers, body });
    response.writeHead(reply.status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(reply.json));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  directory = await mkdtemp(join(tmpdir(), 'sealgate-aws-kms-'));
  await writeFile(join(directory, 'id'), KEY_ID);
  await writeFile(join(directory, 'secret'), SECRET);
  await writeFile(join(directory, 'token'), 'session-token');
  kms = new AwsKms({
    kind: 'aws-kms',
    name: 'aws-kms:a',
    key: 'alias/tenants',
    region: 'eu-central-1',
    endpoint: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    credentials: {
      kind: 'keys',
      accessKeyId: { path: join(directory, 'id') },
      secretAccessKey: { path: join(directory, 'secret') },
      sessionToken: { path: join(directory, 'token') },
    },
    ca: undefined,
  });
});
afterAll(async () => {
  await kms.close();
  server.close();
  await rm(directory, { recursive: true });
});
beforeEach(() => {
  seen = [];
});

test('wraps under an alias, names the key behind it, and binds the owner', async () => {
  reply = { status: 200, json: { CiphertextBlob: Buffer.from('blob').toString('base64'), KeyId: ARN } };
  const wrapped = await kms.wrap(Buffer.alloc(32, 1), { key: 'alias/tenants', owner: OWNER }, signal());
  expect(wrapped).toEqual({ key: ARN, version: '', blob: Buffer.from('blob') });
  expect(seen[0]?.headers['x-amz-target']).toBe('TrentService.Encrypt');
  const context = { 'sealgate:purpose': 'api-key+kms', 'sealgate:tenant': OWNER.tenant, 'sealgate:slot': OWNER.slot };
  expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({ KeyId: 'alias/tenants', EncryptionContext: context });
  reply = { status: 200, json: { Plaintext: Buffer.alloc(32, 1).toString('base64'), KeyId: ARN } };
  expect(await kms.unwrap(wrapped, OWNER, signal())).toEqual(Buffer.alloc(32, 1));
  expect(JSON.parse(seen[1]?.body ?? '')).toMatchObject({ KeyId: ARN, EncryptionContext: context });
});

test('is signed as an independent implementation signs it', async () => {
  reply = { status: 200, json: { KeyMetadata: { KeyState: 'Enabled' } } };
  expect(await kms.keyState(ARN, signal())).toEqual({ current: '', oldest: '' });
  const [{ headers, body }] = seen as [(typeof seen)[number]];
  expect(headers['x-amz-content-sha256']).toBe(createHash('sha256').update(body).digest('hex'));
  const names = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? '')?.[1]?.split(';') ?? [];
  expect(names).toEqual(
    expect.arrayContaining(['content-type', 'host', 'x-amz-date', 'x-amz-security-token', 'x-amz-target']),
  );
  const signed = aws4.sign(
    {
      host: headers.host ?? '',
      path: '/',
      method: 'POST',
      service: 'kms',
      region: 'eu-central-1',
      body,
      headers: Object.fromEntries(names.filter((name) => name !== 'host').map((name) => [name, String(headers[name])])),
      // Of aws4: nothing besides is to be signed.
      extraHeadersToIgnore: { 'content-length': true },
    } as unknown as aws4.Request,
    { accessKeyId: KEY_ID, secretAccessKey: SECRET, sessionToken: 'session-token' },
  );
  const signatureOf = (text: unknown) => /Signature=([0-9a-f]{64})/.exec(String(text))?.[1];
  expect(signatureOf(headers.authorization)).toBe(signatureOf(signed.headers?.['Authorization']));
});

test.each([
  [400, 'com.amazonaws.kms#DisabledException', 'disabled'],
  [400, 'KMSInvalidStateException', 'disabled'],
  [400, 'InvalidCiphertextException', 'mismatch'],
  [400, 'IncorrectKeyException', 'mismatch'],
  [400, 'NotFoundException', 'unknown-key'],
  [400, 'ThrottlingException', 'throttled'],
  [400, 'AccessDeniedException', 'denied'],
  [400, 'UnrecognizedClientException', 'denied'],
  [400, 'ExpiredTokenException', 'denied'],
  [500, 'KMSInternalException', 'unreachable'],
  [503, '', 'unreachable'],
] as const)('%i %s is %s', async (status, type, kind) => {
  reply = { status, json: { __type: type, message: `${SECRET} ${ARN}` } };
  const blob = { key: ARN, version: '', blob: Buffer.from('x') };
  const error = (await kms.unwrap(blob, OWNER, signal()).catch((cause: unknown) => cause)) as KmsFailure;
  expect(error.kind).toBe(kind);
  expect(error.message).not.toContain(SECRET);
});

test.each(['Disabled', 'PendingDeletion'])('a key whose state is %s is disabled', async (state) => {
  reply = { status: 200, json: { KeyMetadata: { KeyState: state } } };
  expect(await kms.keyState(ARN, signal()).catch((error: KmsFailure) => error.kind)).toBe('disabled');
});

test.each([
  ['has no fields', {}],
  ['is no object', 'OK'],
  ['names no state', { KeyMetadata: null }],
  ['echoes what was sent, in place of a state', { KeyMetadata: { KeyState: `Disabled ${SECRET}\u001b[2J` } }],
] as const)('a reply with status 200 that %s is not understood, and is not repeated', async (_name, json) => {
  reply = { status: 200, json };
  const blob = { key: ARN, version: '', blob: Buffer.from('x') };
  const calls = [
    kms.wrap(Buffer.alloc(32, 1), { key: ARN, owner: OWNER }, signal()),
    kms.unwrap(blob, OWNER, signal()),
    kms.keyState(ARN, signal()),
  ];
  for (const call of calls) {
    const error = (await call.catch((cause: unknown) => cause)) as KmsFailure;
    expect([error.kind, error.message]).toEqual([
      'unusable',
      expect.stringMatching(/^aws-kms:a answered \w+ in a way/),
    ]);
  }
});
