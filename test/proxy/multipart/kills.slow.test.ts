/**
 * Protects uploads from a proxy that dies, or a store that fails, between any two backend calls of Create, UploadPart, Complete
 * and Abort (seen elsewhere: kill -9 between, another replica goes on): the object is whole or absent and never anything else, the
 * client can go on at another replica, and gc finds what is left. The smallest part is made small here; a process that is really
 * killed is in sigkill.slow.test.ts.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { collectGarbage } from '../../../proxy/multipart/collect-garbage.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { brokenCalls, callsOf, withBroken } from '../../helpers/broken-calls.ts';
import { type FaultyBackend, faultyBackend } from '../../helpers/faulty-backend.ts';
import { PARTS_STORE_CAPABILITIES, PartsStore } from '../../helpers/parts-store.ts';
import type { RawReply } from '../../helpers/raw-client.ts';
import {
  beginUpload,
  createUpload,
  elements,
  type Listed,
  MIN_PART,
  openReplica,
  openUploads,
  outcome,
  type Replica,
  Upload,
  uploadState,
} from '../../helpers/uploads.ts';

vi.mock('../../../proxy/limits.ts', async (original) => ({
  ...(await original<typeof import('../../../proxy/limits.ts')>()),
  MIN_PART_BYTES: 70_000,
}));

const DAY_MS = 24 * 60 * 60 * 1000;
const LARGE = randomBytes(MIN_PART);
const SMALL = randomBytes(1000);

describe('one backend call fails', () => {
  let store: PartsStore;
  let faulty: FaultyBackend;
  let bench: Bench;
  let replica: Replica;
  beforeAll(async () => {
    store = new PartsStore();
    faulty = faultyBackend(store);
    // Time stands still, so that no key is checked again in the middle of a count.
    const started = new Date();
    bench = await openBench({
      store: { backend: faulty, close: () => store.close() },
      capabilities: PARTS_STORE_CAPABILITIES,
      now: () => started,
    });
    await bench.send({ method: 'HEAD', path: `/${bench.bucket}` });
    // Behind the faults: it goes on where the other one died.
    replica = await openReplica(bench, store);
  });
  afterAll(async () => {
    await replica.proxy.close();
    await bench.close();
  });

  async function collect(): Promise<void> {
    const found = collectGarbage({
      backend: store,
      state: replica.proxy.state,
      signal: AbortSignal.timeout(30_000),
      now: new Date(Date.now() + 8 * DAY_MS),
      abandonedAfterMs: 7 * DAY_MS,
      unrecorded: true,
      dryRun: false,
    });
    for await (const { reason } of found) expect(reason).not.toBe('unreadable');
  }

  async function expectNothingLeft(): Promise<void> {
    expect(await uploadState(store)).toEqual([]);
    expect(await openUploads(store, bench.bucket)).toEqual([]);
  }

  async function expectWholeOrAbsent(upload: Upload, body: Buffer): Promise<'whole' | 'absent'> {
    const got = await upload.through(replica.send).get();
    if (got.status === 404) return 'absent';
    expect([got.status, got.cut, got.body.equals(body)]).toEqual([200, false, true]);
    return 'whole';
  }

  /** A failure that clients try again, or success. */
  function expectHonest(reply: RawReply, wanted: string): void {
    expect([wanted, '503 ServiceUnavailable']).toContain(outcome(reply));
  }

  interface Scenario<Prepared> {
    readonly prepare: (key: string) => Promise<Prepared>;
    readonly act: (prepared: Prepared) => Promise<RawReply>;
    readonly wanted: string;
    /** Goes on at the other replica; `turn` alternates. */
    readonly after: (prepared: Prepared, reply: RawReply, turn: number) => Promise<void>;
    /** As many calls as the operation is known to make; a change of it is looked at here. */
    readonly calls: number;
  }

  let names = 0;
  async function runAll<Prepared>(o: Scenario<Prepared>): Promise<void> {
    // The first request to a bucket asks for its record, too.
    await o.act(await o.prepare(`first-${names++}`));
    await collect();
    const clean = await o.prepare(`clean-${names++}`);
    let reply: RawReply | undefined;
    const count = await callsOf(faulty, async () => {
      reply = await o.act(clean);
    });
    expect([count, reply === undefined ? '' : outcome(reply)]).toEqual([o.calls, o.wanted]);
    await collect();
    let runs = 0;
    for (const broken of brokenCalls(count)) {
      const prepared = await o.prepare(`broken-${names++}`);
      const { result, failed } = await withBroken(faulty, broken, () => o.act(prepared));
      expect([broken, failed]).toEqual([broken, true]);
      expectHonest(result, o.wanted);
      await o.after(prepared, result, runs++);
      await collect();
      await expectNothingLeft();
    }
    expect(runs).toBe(count * 4);
  }

  it('of Create: an upload that can be used, or an error', async () => {
    await runAll({
      prepare: async (key) => key,
      act: (key) => createUpload(bench.send, bench.bucket, key, [['x-amz-meta-a', 'b']]),
      wanted: '200',
      calls: 2,
      async after(key, reply) {
        if (reply.status !== 200) return;
        const id = elements(reply, 'UploadId')[0] ?? '';
        const upload = new Upload({ bucket: bench.bucket, key, id, send: replica.send });
        expect(outcome(await upload.complete([await upload.put(1, SMALL)]))).toBe('200');
        expect((await upload.get()).headers['x-amz-meta-a']).toBe('b');
      },
    });
  });

  /** The part is sent again elsewhere and completed, or left out, or everything is aborted. */
  async function afterPart(upload: Upload, reply: RawReply, turn: number, body: Buffer): Promise<void> {
    const there = upload.through(replica.send);
    const listed = elements(await there.list(), 'ETag');
    if (reply.status === 200) expect(listed).toHaveLength(1);
    if (turn % 3 === 0) return void expect(outcome(await there.abort())).toBe('204');
    if (turn % 3 === 1) return;
    expect(outcome(await there.complete([await there.put(1, body)]))).toBe('200');
    expect(await expectWholeOrAbsent(upload, body)).toBe('whole');
  }

  it('of UploadPart, a part that is staged', async () => {
    await runAll({
      prepare: (key) => beginUpload(bench, key),
      act: (upload) => upload.part(1, SMALL),
      wanted: '200',
      calls: 4,
      after: (upload, reply, turn) => afterPart(upload, reply, turn, SMALL),
    });
  });

  it('of UploadPart, a part that goes straight to the store', async () => {
    await runAll({
      prepare: (key) => beginUpload(bench, key),
      act: (upload) => upload.part(1, LARGE),
      wanted: '200',
      calls: 3,
      after: (upload, reply, turn) => afterPart(upload, reply, turn, LARGE),
    });
  });

  it('of UploadPart, a part that was there before: the earlier one counts, or the later, or neither', async () => {
    const counts = { earlier: 0, later: 0 };
    await runAll<{ upload: Upload; earlier: Listed }>({
      prepare: async (key) => {
        const upload = await beginUpload(bench, key);
        return { upload, earlier: await upload.put(1, SMALL) };
      },
      act: ({ upload }) => upload.part(1, SMALL.subarray(0, 500)),
      wanted: '200',
      calls: 3,
      async after({ upload, earlier }, reply) {
        const there = upload.through(replica.send);
        const done = await there.complete([earlier]);
        if (reply.status === 200) expect(outcome(done)).toBe('400 InvalidPart');
        counts[done.status === 200 ? 'earlier' : 'later'] += 1;
        expect(['200', '400 InvalidPart']).toContain(outcome(done));
        expect(await expectWholeOrAbsent(upload, SMALL)).toBe(done.status === 200 ? 'whole' : 'absent');
      },
    });
    expect(Math.min(counts.earlier, counts.later)).toBeGreaterThan(0);
  });

  it('of UploadPart, a part at the store that was there before: a stale ETag is refused, never tried again in vain', async () => {
    const other = randomBytes(MIN_PART);
    const outcomes = new Set<string>();
    await runAll<{ upload: Upload; earlier: Listed }>({
      prepare: async (key) => {
        const upload = await beginUpload(bench, key);
        return { upload, earlier: await upload.put(1, LARGE) };
      },
      act: ({ upload }) => upload.part(1, other),
      wanted: '200',
      calls: 2,
      async after({ upload, earlier }, reply) {
        const done = outcome(await upload.through(replica.send).complete([earlier]));
        outcomes.add(done);
        if (reply.status === 200) expect(done).toBe('400 InvalidPart');
        expect(await expectWholeOrAbsent(upload, LARGE)).toBe(done === '200' ? 'whole' : 'absent');
      },
    });
    expect([...outcomes].sort()).toEqual(['200', '400 InvalidPart']);
  });

  interface Ready {
    readonly upload: Upload;
    readonly listed: readonly Listed[];
    readonly body: Buffer;
  }

  async function ready(key: string, bodies: readonly Buffer[]): Promise<Ready> {
    const upload = await beginUpload(bench, key);
    const listed: Listed[] = [];
    for (const [at, body] of bodies.entries()) listed.push(await upload.put(at + 1, body));
    return { upload, listed, body: Buffer.concat(bodies) };
  }

  /** Completed again, or aborted: what the client heard holds. */
  async function afterComplete({ upload, listed, body }: Ready, reply: RawReply, turn: number): Promise<void> {
    const there = upload.through(replica.send);
    const state = await expectWholeOrAbsent(upload, body);
    if (reply.status === 200) expect(state).toBe('whole');
    if (turn % 2 === 0) {
      const again = await there.complete(listed);
      expect(outcome(again)).toBe('200');
      expect(await expectWholeOrAbsent(upload, body)).toBe('whole');
      return expectNothingLeft();
    }
    expect(outcome(await there.abort())).toBe(state === 'whole' ? '404 NoSuchUpload' : '204');
    expect(await expectWholeOrAbsent(upload, body)).toBe(state);
    await expectNothingLeft();
  }

  it('of Complete, the only part being staged', async () => {
    await runAll({
      prepare: (key) => ready(key, [SMALL]),
      act: ({ upload, listed }) => upload.complete(listed),
      wanted: '200',
      calls: 6,
      after: afterComplete,
    });
  });

  it('of Complete, one part at the store and one staged', async () => {
    await runAll({
      prepare: (key) => ready(key, [LARGE, SMALL]),
      act: ({ upload, listed }) => upload.complete(listed),
      wanted: '200',
      calls: 6,
      after: afterComplete,
    });
  });

  it('of Complete on condition that nothing is there', async () => {
    await runAll({
      prepare: (key) => ready(key, [SMALL]),
      act: ({ upload, listed }) => upload.complete(listed, [['if-none-match', '*']]),
      wanted: '200',
      calls: 6,
      after: afterComplete,
    });
  });

  it('of Abort', async () => {
    await runAll({
      prepare: (key) => ready(key, [SMALL]),
      act: ({ upload }) => upload.abort(),
      wanted: '204',
      calls: 4,
      async after({ upload, body }, reply) {
        expect(await expectWholeOrAbsent(upload, body)).toBe('absent');
        const again = await upload.through(replica.send).abort();
        expect(['204', '404 NoSuchUpload']).toContain(outcome(again));
        if (reply.status === 204) expect(outcome(again)).toBe('404 NoSuchUpload');
        await expectNothingLeft();
      },
    });
  });
});
