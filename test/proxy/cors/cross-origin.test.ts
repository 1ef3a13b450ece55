/**
 * Protects browsers' access: a preflight needs no signature and tells nothing but the rules; every reply to a page carries
 * them, errors too; the state bucket and buckets without rules give nothing away; the backend is not asked each time.
 */
import { Readable } from 'node:stream';
import { PutBucketCorsCommand } from '@aws-sdk/client-s3';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BackendUnavailable } from '../../../proxy/backend/backend.ts';
import { CORS_FETCHES_AT_ONCE, CORS_TTL_MS } from '../../../proxy/limits.ts';
import { errorReply } from '../../helpers/backend-reply.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { sendRaw } from '../../helpers/raw-client.ts';

const RULES =
  '<CORSConfiguration><CORSRule><AllowedOrigin>https://app.example</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>' +
  '<AllowedMethod>GET</AllowedMethod><AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader></CORSRule></CORSConfiguration>';
const ORIGIN = ['origin', 'https://app.example'] as const;

const bench = sharedBench({ now: () => new Date(clock) });
let clock = Date.now();
/** What the backend says of ?cors; a thrown error when undefined. */
let stored: string | undefined;
let asked: string[] = [];

beforeAll(async () => {
  bench.backend.intercept = async (request, next) => {
    if (request.query?.[0]?.[0] !== 'cors') return next(request);
    asked.push(`${request.method} ${request.bucket}`);
    if (request.method === 'PUT') stored = String(request.body);
    if (stored === undefined) throw new BackendUnavailable('switched off');
    if (stored === '') return errorReply(request, { status: 404, code: 'NoSuchCORSConfiguration' });
    return { status: 200, headers: {}, body: Readable.from([Buffer.from(request.method === 'PUT' ? '' : stored)]) };
  };
});
beforeEach(() => {
  stored = RULES;
  asked = [];
  clock += CORS_TTL_MS + 1;
});

const preflight = (headers: readonly (readonly [string, string])[], path = `/${bench.bucket}/key`) =>
  sendRaw(bench.proxy.endpoint, { method: 'OPTIONS', target: path, headers: [['host', 'localhost'], ...headers] });

describe('a preflight', () => {
  it('is answered without a signature, from the rules', async () => {
    const reply = await preflight([
      ORIGIN,
      ['access-control-request-method', 'PUT'],
      ['access-control-request-headers', 'Content-Type, x-amz-date'],
    ]);
    expect(reply.status).toBe(200);
    expect(reply.body).toHaveLength(0);
    expect(reply.headers).toMatchObject({
      'access-control-allow-origin': 'https://app.example',
      'access-control-allow-methods': 'PUT, GET',
      'access-control-allow-headers': 'content-type, x-amz-date',
      'access-control-expose-headers': 'ETag',
      'access-control-allow-credentials': 'true',
      vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
    });
  });

  it.each([
    ['without an origin', [['access-control-request-method', 'PUT']], 400, 'BadRequest'],
    ['without a method', [ORIGIN], 400, 'BadRequest'],
    ['with an unknown method', [ORIGIN, ['access-control-request-method', 'TRACE']], 400, 'BadRequest'],
    [
      'from elsewhere',
      [
        ['origin', 'https://evil.example'],
        ['access-control-request-method', 'PUT'],
      ],
      403,
      'AccessForbidden',
    ],
    ['for another method', [ORIGIN, ['access-control-request-method', 'DELETE']], 403, 'AccessForbidden'],
  ] as const)('%s is refused', async (_what, headers, status, code) => {
    const reply = await preflight(headers);
    expect([reply.status, reply.code]).toEqual([status, code]);
    expect(reply.headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('for a bucket without rules, the state bucket or no bucket is 403, and only the first is asked for', async () => {
    stored = '';
    const method = ['access-control-request-method', 'PUT'] as const;
    for (const path of [`/${bench.bucket}/key`, '/sealgate-state/key', '/Sealgate-State', '/']) {
      const reply = await preflight([ORIGIN, method], path);
      expect([reply.status, reply.code], path).toEqual([403, 'AccessForbidden']);
    }
    expect(asked).toEqual([`GET ${bench.bucket}`]);
  });

  it('for many buckets at once reaches the backend only a few at a time', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const passed = bench.backend.intercept;
    bench.backend.intercept = async (request, next) => {
      await held;
      return passed(request, next);
    };
    const headers = [ORIGIN, ['access-control-request-method', 'PUT']] as const;
    let refused = 0;
    const replies = Array.from({ length: 40 }, async (_, index) => {
      const reply = await preflight(headers, `/flood-${index}/key`);
      refused += reply.status === 503 ? 1 : 0;
      if (refused === 40 - CORS_FETCHES_AT_ONCE) release();
      return reply.status;
    });
    const statuses = await Promise.all(replies);
    bench.backend.intercept = passed;
    expect(statuses.filter((status) => status === 200)).toHaveLength(CORS_FETCHES_AT_ONCE);
    expect(asked).toHaveLength(CORS_FETCHES_AT_ONCE);
    expect((await preflight(headers)).status).toBe(200);
  });

  it('is 503 while the backend cannot tell, and asks again the next time', async () => {
    stored = undefined;
    const headers = [ORIGIN, ['access-control-request-method', 'PUT']] as const;
    expect((await preflight(headers)).status).toBe(503);
    stored = RULES;
    expect((await preflight(headers)).status).toBe(200);
  });
});

describe('the reply to a page', () => {
  const get = (key: string, headers: readonly (readonly [string, string])[] = [ORIGIN]) =>
    bench.send({ method: 'GET', path: `/${bench.bucket}/${key}`, headers });

  it('carries the rules, when it is an object and when it is an error', async () => {
    await bench.send({ method: 'PUT', path: `/${bench.bucket}/key`, body: 'body', headers: [ORIGIN] });
    for (const [key, status] of [
      ['key', 200],
      ['missing', 404],
    ] as const) {
      const reply = await get(key);
      expect(reply.status).toBe(status);
      expect(reply.headers).toMatchObject({
        'access-control-allow-origin': 'https://app.example',
        'access-control-expose-headers': 'ETag',
      });
    }
    const unsigned = await sendRaw(bench.proxy.endpoint, {
      method: 'GET',
      target: `/${bench.bucket}/key`,
      headers: [['host', 'localhost'], ORIGIN],
    });
    expect(unsigned.status).toBe(403);
    expect(unsigned.headers['access-control-allow-origin']).toBe('https://app.example');
    expect(asked).toEqual([`GET ${bench.bucket}`]);
  });

  it('carries nothing for other origins and methods, or without an origin', async () => {
    const replies = [
      await get('key', [['origin', 'https://evil.example']]),
      await get('key', []),
      await bench.send({ method: 'HEAD', path: `/${bench.bucket}/key`, headers: [ORIGIN] }),
    ];
    for (const reply of replies) {
      expect(reply.status).toBe(200);
      expect(reply.headers).not.toHaveProperty('access-control-allow-origin');
    }
  });

  it('is whole when the rules cannot be fetched', async () => {
    stored = undefined;
    const reply = await get('key');
    expect([reply.status, reply.body.toString()]).toEqual([200, 'body']);
    expect(reply.headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('follows a change made through the proxy at once', async () => {
    expect((await get('key')).headers['access-control-allow-origin']).toBe('https://app.example');
    await bench.s3.send(
      new PutBucketCorsCommand({
        Bucket: bench.bucket,
        CORSConfiguration: { CORSRules: [{ AllowedOrigins: ['https://new.example'], AllowedMethods: ['GET'] }] },
      }),
    );
    expect((await get('key')).headers).not.toHaveProperty('access-control-allow-origin');
    const reply = await get('key', [['origin', 'https://new.example']]);
    expect(reply.headers['access-control-allow-origin']).toBe('https://new.example');
  });
});
