/**
 * Protects: that whoever keeps events can hold an action back until its event is safe, and keep it from happening when the event
 * cannot be kept; that each request has its events and no more, under load too; that what was allowed is not logged; and that
 * events hold no secret.
 */
import { describe, expect, test } from 'vitest';
import { S3Error } from '../../../proxy/errors.ts';
import { eventSink } from '../../../proxy/observe/event-sink.ts';
import type { DecisionEvent, SecurityEvent } from '../../../proxy/observe/events.ts';
import { createLogger } from '../../../proxy/observe/log.ts';
import { createMetrics } from '../../../proxy/observe/metrics.ts';
import { openBench } from '../../helpers/bench.ts';
import { objectPath } from '../../helpers/raw-client.ts';

type Event = SecurityEvent | DecisionEvent;

async function benchWith(audit: (event: Event) => Promise<void> | void) {
  const bench = await openBench({ audit });
  const writes = () =>
    bench.backend.requests.filter(({ method, bucket }) => method === 'PUT' && bucket === bench.bucket);
  const put = (key: string) => bench.send({ method: 'PUT', path: objectPath(bench.bucket, key), body: 'x' });
  return { bench, writes, put };
}

describe('a sink', () => {
  test('that has not taken the event holds the action back', async () => {
    const seen: Event[] = [];
    const taken = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const { bench, writes, put } = await benchWith((event) => {
      seen.push(event);
      asked.resolve();
      return taken.promise;
    });
    try {
      const reply = put('a');
      await asked.promise;
      expect(writes()).toEqual([]);
      taken.resolve();
      expect((await reply).status).toBe(200);
      expect(writes()).toHaveLength(1);
      expect(seen.map(({ kind }) => kind)).toEqual(['access-allowed']);
    } finally {
      await bench.close();
    }
  });

  test('that cannot keep the event keeps the action from happening, and a refusal too', async () => {
    const full = new S3Error('SlowDown');
    const { bench, writes, put } = await benchWith(() => Promise.reject(full));
    try {
      expect((await put('a')).code).toBe('SlowDown');
      expect((await bench.send({ method: 'GET', path: '/sealgate-state' })).code).toBe('SlowDown');
      expect(writes()).toEqual([]);
    } finally {
      await bench.close();
    }
  });

  test('gets one event for each plain request of many at once', async () => {
    const ids: string[] = [];
    const { bench, put } = await benchWith((event) => void ids.push(event.requestId ?? ''));
    try {
      const replies = await Promise.all(Array.from({ length: 200 }, (_, at) => put(`key-${at}`)));
      const answered = replies.map(({ headers }) => String(headers['x-amz-request-id']));
      expect(ids.toSorted()).toEqual(answered.toSorted());
      expect(new Set(ids).size).toBe(200);
      expect(bench.events()).toEqual([]);
    } finally {
      await bench.close();
    }
  });

  test('gets what an audit needs, and no secret', async () => {
    const seen: Event[] = [];
    const { bench, put } = await benchWith((event) => void seen.push(event));
    try {
      await put('dir/a key');
      expect(seen).toEqual([
        {
          sourceIPAddress: '127.0.0.1',
          kind: 'access-allowed',
          detail: 'allowed',
          eventName: 'PutObject',
          action: 's3:PutObject',
          decision: 'allow',
          statement: 'key/grant-1',
          resource: `arn:aws:s3:::${bench.bucket}/dir/a key`,
          bucket: bench.bucket,
          key: 'dir/a key',
          readOnly: false,
          tenant: bench.tenant.tenant,
          slot: expect.stringMatching(/^[0-9a-f]{8}$/),
          accessKey: expect.stringMatching(/^[0-9a-f]{12}$/),
          requestId: expect.stringMatching(/^[0-9A-Z]{16}$/),
        },
      ]);
      const text = JSON.stringify(seen);
      expect(text).not.toContain(bench.tenant.accessKeyId);
      expect(text).not.toContain(bench.tenant.secretAccessKey);
    } finally {
      await bench.close();
    }
  });
});

test('refusals are logged and counted, what was allowed is not', async () => {
  const lines: string[] = [];
  const metrics = createMetrics();
  const log = createLogger({ level: 'trace', destination: { write: (line) => void lines.push(line) } });
  const record = eventSink({ log, metrics });
  const event = { detail: 'd', tenant: 't' };
  await record({ ...event, kind: 'access-allowed' });
  expect(lines).toEqual([]);
  await record({ ...event, kind: 'access-denied' });
  expect(lines).toHaveLength(1);
  const text = await metrics.render();
  expect(text).toContain('sealgate_security_events_total{kind="access-denied"} 1');
  expect(text).not.toContain('access-allowed');
});
