// Protects: what the load generator counts: every byte of every connection, errors as errors, only the operation's own time.
import { expect, test } from 'vitest';
import { Connection } from './connection.ts';
import { drive } from './drive.ts';

const connections = (count: number) =>
  Array.from({ length: count }, () => new Connection({ host: '127.0.0.1', port: 1, tls: false }));

test('bytes of connections that wait side by side are all counted', async () => {
  const waiting: (() => void)[] = [];
  const driven = drive({
    connections: connections(8),
    milliseconds: 0,
    least: 3,
    async operation() {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        // All eight are under way before the first one ends.
        if (waiting.length === 8) for (const go of waiting.splice(0)) go();
      });
      return 10;
    },
  });
  await expect(driven).resolves.toMatchObject({ operations: 24, bytes: 240, errors: [] });
});

test('an operation that throws is an error, not an operation, and a connection that only fails gives up', async () => {
  let calls = 0;
  const driven = await drive({
    connections: connections(1),
    milliseconds: 60_000,
    least: 1,
    async operation() {
      calls += 1;
      if (calls === 2) return 5;
      throw new Error('status 500');
    },
  });
  expect(driven.operations).toBe(1);
  expect(driven.bytes).toBe(5);
  expect(driven.latencies).toHaveLength(1);
  expect(driven.errors).toHaveLength(20);
  expect(new Set(driven.errors)).toEqual(new Set(['status 500']));
});

test('what runs before an operation runs before each of them, and is not part of its time', async () => {
  const order: string[] = [];
  let clock = 0;
  const { now } = performance;
  performance.now = () => clock;
  try {
    const driven = await drive({
      connections: connections(1),
      milliseconds: 0,
      least: 2,
      async before() {
        clock += 1000;
        order.push('before');
      },
      async operation() {
        clock += 7;
        order.push('operation');
        return 0;
      },
    });
    expect(driven.latencies).toEqual([7, 7]);
    expect(driven.seconds).toBeCloseTo(2.014);
  } finally {
    performance.now = now;
  }
  expect(order).toEqual(['before', 'operation', 'before', 'operation']);
});
