/**
 * What an operator sees: health, readiness and metrics on a port of their own, and a log that withholds what it should never
 * have been given.
 */
import { describe, expect, test } from 'vitest';
import { mapBounded } from '../../../proxy/concurrency/map-bounded.ts';
import { createLogger, securityEventsTo } from '../../../proxy/observe/log.ts';
import { createMetrics } from '../../../proxy/observe/metrics.ts';
import { opsApp, startOpsServer } from '../../../proxy/observe/ops-server.ts';

const app = (check: () => Promise<void>) => opsApp({ metrics: createMetrics(), readiness: { check } });
const ready = () => Promise.resolve();
const notReady = () => Promise.reject(new Error('secret-host.example.test refused'));

describe("the operator's port", () => {
  test('is healthy whatever the backend does; ready only when it answers', async () => {
    expect((await app(notReady).request('/healthz')).status).toBe(200);
    expect((await app(ready).request('/readyz')).status).toBe(200);
    const reply = await app(notReady).request('/readyz');
    expect(reply.status).toBe(503);
    expect(await reply.text()).not.toContain('secret-host');
  });

  test('counts requests and events by names only', async () => {
    const metrics = createMetrics();
    metrics.request({ operation: 'GetObject', status: 206, seconds: 0.02 });
    metrics.request({ operation: 'GetObject', status: 206, seconds: 0.02 });
    metrics.securityEvent('access-denied');
    const reply = await opsApp({ metrics, readiness: { check: ready } }).request('/metrics');
    const text = await reply.text();
    expect(reply.headers.get('content-type')).toContain('text/plain');
    expect(text).toContain('sealgate_requests_total{operation="GetObject",status="206"} 2');
    expect(text).toContain('sealgate_security_events_total{kind="access-denied"} 1');
    expect(text).toContain('sealgate_request_duration_seconds_bucket{le="0.025",operation="GetObject"} 2');
  });

  test('has no other paths, and listens where it is told', async () => {
    expect((await app(ready).request('/')).status).toBe(404);
    expect((await app(ready).request('/healthz', { method: 'POST' })).status).toBe(404);
    const server = await startOpsServer(app(ready), { host: '127.0.0.1', port: 0 });
    const reply = await fetch(`http://127.0.0.1:${server.address.port}/healthz`);
    expect(await reply.text()).toBe('ok\n');
    await server.close();
    await expect(fetch(`http://127.0.0.1:${server.address.port}/healthz`)).rejects.toThrow();
  });
});

describe('the log', () => {
  const logged = (write: (log: ReturnType<typeof createLogger>) => void): string => {
    const lines: string[] = [];
    write(createLogger({ level: 'info', destination: { write: (line) => void lines.push(line) } }));
    return lines.join('');
  };

  test('withholds fields that must never have been given to it', () => {
    const names = ['authorization', 'secretAccessKey', 'accessKeyId', 'signature', 'secret', 'sealKeys'];
    for (const name of names) {
      expect(logged((log) => log.info({ [name]: 'the-value' }, 'x'))).not.toContain('the-value');
      expect(logged((log) => log.info({ some: { [name]: 'the-value' } }, 'x'))).not.toContain('the-value');
    }
    expect(logged((log) => log.info({ other: 'the-value' }, 'x'))).toContain('the-value');
  });

  test('writes security events with their kind, as warnings', () => {
    const line = JSON.parse(
      logged((log) => securityEventsTo(log)({ kind: 'object-tampered', detail: 'what', tenant: 't', bucket: 'b' })),
    );
    expect(line).toMatchObject({
      level: 'warn',
      securityEvent: 'object-tampered',
      tenant: 't',
      bucket: 'b',
      msg: 'what',
    });
  });

  test('of an error: its type, code and causes', () => {
    const cause = Object.assign(new Error('inner'), { code: 'ECONNRESET' });
    const line = JSON.parse(logged((log) => log.error({ err: new TypeError('outer', { cause }) }, 'x')));
    expect(line.err).toMatchObject({ type: 'TypeError', message: 'outer', cause: { code: 'ECONNRESET' } });
    expect(JSON.parse(logged((log) => log.error({ err: 'thrown text' }, 'x'))).err).toEqual({ type: 'string' });
  });
});

describe('mapBounded', () => {
  test('keeps order, runs no more at once than allowed, and all of them', async () => {
    let running = 0;
    let most = 0;
    const results = await mapBounded([5, 1, 4, 2, 3, 0], 2, async (turns) => {
      most = Math.max(most, ++running);
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      running--;
      return turns * 10;
    });
    expect([results, most]).toEqual([[50, 10, 40, 20, 30, 0], 2]);
    expect(await mapBounded([], 4, () => Promise.reject(new Error('never')))).toEqual([]);
  });

  test('fails with the first failure', async () => {
    await expect(
      mapBounded([1, 2, 3], 3, (n) => (n === 2 ? Promise.reject(new Error('two')) : Promise.resolve(n))),
    ).rejects.toThrow('two');
  });
});
