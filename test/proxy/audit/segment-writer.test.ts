// Protects: what a writer was given is in the log once, chained, whatever the store does in between; and a writer that ends says so.
import { afterEach, expect, test } from 'vitest';
import { parseSegment, parseSegmentName, sha256Of } from '../../../proxy/audit/format/segment.ts';
import { BackendUnavailable } from '../../../proxy/backend/backend.ts';
import { AUDIT_BUCKET, AuditBench, signal } from '../../helpers/audit-bench.ts';
import { failure } from '../../helpers/state-backend.ts';

let bench = new AuditBench();
afterEach(() => {
  bench = new AuditBench();
});

const headers = () => bench.names('segment').map((name) => parseSegment(bench.body(name))?.header);

test('each segment names the hash of the one before, and the last one says that it is', async () => {
  bench = await AuditBench.open();
  const writer = await bench.writer();
  await writer.write(bench.block({ events: 3 }));
  bench.time += 61_000;
  await writer.write(bench.block({ events: 2 }));
  await writer.close(60_000);
  const names = bench.names('segment').map((name) => parseSegmentName(name));
  const hashes = bench.names('segment').map((name) => sha256Of(bench.body(name)));
  expect(names.map((name) => name?.sha256)).toEqual(hashes);
  expect(names.map((name) => name?.minute)).toEqual(['20261127T2000Z', '20261127T2001Z', '20261127T2001Z']);
  expect(headers()).toMatchObject([
    { boot: writer.boot, seq: 0, previous: '', events: 3, total: 3, final: 'no' },
    { boot: writer.boot, seq: 1, previous: hashes[0], events: 2, total: 5, final: 'no' },
    { boot: writer.boot, seq: 2, previous: hashes[1], events: 0, total: 5, final: 'yes' },
  ]);
  expect((await bench.ids()).length).toBe(5);
});

test('a writer that wrote nothing leaves nothing', async () => {
  bench = await AuditBench.open();
  await (await bench.writer()).close(60_000);
  expect(bench.names('segment')).toEqual([]);
});

test('blocks that nobody waits for go into one segment; those given while it is written into the next', async () => {
  bench = await AuditBench.open();
  const writer = await bench.writer();
  const gate = Promise.withResolvers<void>();
  let puts = 0;
  bench.backend.intercept = async ({ method, key }) => {
    if (method !== 'PUT' || key?.startsWith('audit/segment/') !== true) return undefined;
    puts += 1;
    if (puts === 1) await gate.promise;
    return undefined;
  };
  const written = [writer.write(bench.block({ urgent: false })), writer.write(bench.block())];
  await expect.poll(() => puts).toBe(1);
  written.push(writer.write(bench.block()), writer.write(bench.block({ urgent: false })));
  gate.resolve();
  await Promise.all(written);
  expect(headers().map((header) => header?.events)).toEqual([2, 2]);
});

test('a store that fails, loses answers or tears writes gets the same bytes again until it has them', async () => {
  bench = await AuditBench.open();
  const writer = await bench.writer();
  const trouble = ['error', 'down', 'lost', 'conflict'];
  const sent: string[] = [];
  bench.backend.intercept = ({ method, key = '', body }) => {
    if (method !== 'PUT' || !key.startsWith('audit/segment/') || !Buffer.isBuffer(body)) return undefined;
    sent.push(key);
    const kind = trouble.shift();
    if (kind === 'error') return failure(500, 'InternalError');
    if (kind === 'down') throw new BackendUnavailable('switched off');
    // One that another request is in the way of: nothing was written.
    if (kind === 'conflict') return failure(409, 'ConditionalRequestConflict');
    if (kind === 'lost') {
      bench.backend.overwrite(AUDIT_BUCKET, key, body);
      throw new BackendUnavailable('the answer was lost');
    }
    return undefined;
  };
  await writer.write(bench.block({ events: 4 }));
  expect(new Set(sent).size).toBe(1);
  trouble.push('conflict');
  await writer.write(bench.block());
  expect(trouble).toEqual(['conflict'].slice(1));
  expect(headers().map((header) => header?.events)).toEqual([4, 1]);
  expect(writer.status.failures).toBeGreaterThanOrEqual(3);
  await writer.close(60_000);
  expect((await bench.ids()).length).toBe(5);
});

test('a writer that is closed while the store is silent gives up, and says whom it could not serve', async () => {
  bench = await AuditBench.open();
  const writer = await bench.writer();
  await writer.write(bench.block());
  bench.backend.isDown = true;
  const written = writer.write(bench.block());
  const refused = expect(written).rejects.toThrow();
  await expect(writer.close(100)).rejects.toThrow();
  await refused;
  await expect(writer.write(bench.block())).rejects.toThrow(/closed/);
});

test('the store has nothing in clear of what the events say', async () => {
  bench = await AuditBench.open();
  const writer = await bench.writer();
  await writer.write(bench.block({ by: 'somebody-in-particular' }));
  await writer.close(60_000);
  expect(bench.backend.everything().includes('somebody-in-particular')).toBe(false);
  const [name = ''] = bench.names('segment');
  expect((await bench.reader().lines(name, signal))?.join()).toContain('somebody-in-particular');
});
