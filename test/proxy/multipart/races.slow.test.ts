/**
 * Protects uploads that several clients or replicas end at once, and Completes under conditions: one outcome, an object that is
 * whole, and no key used twice for two footers.
 */
import { randomBytes } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, BackendRequest } from '../../../proxy/backend/backend.ts';
import { type Bench, type OpenedBackend, openBench, temporaryStore } from '../../helpers/bench.ts';
import { type FaultyBackend, faultyBackend } from '../../helpers/faulty-backend.ts';
import { askStore } from '../../helpers/stored.ts';
import {
  beginUpload,
  elements,
  type Listed,
  MIN_PART,
  md5,
  multipartEtag,
  openReplica,
  openUploads,
  outcome,
  type Replica,
  type Upload,
  uploadState,
} from '../../helpers/uploads.ts';

const SMALL = randomBytes(3000);
const LARGE = randomBytes(MIN_PART + 100);

/** Every body that goes to the store, by what it is put as. */
class Recorder implements Backend {
  readonly description = 'recorded';
  readonly sent: { request: BackendRequest; body: Buffer }[] = [];
  readonly inner: Backend;

  constructor(inner: Backend) {
    this.inner = inner;
  }

  async send(request: BackendRequest) {
    if (request.method !== 'PUT' || request.body === undefined) return this.inner.send(request);
    const chunks: Buffer[] = [];
    if (Buffer.isBuffer(request.body)) chunks.push(request.body);
    else for await (const chunk of request.body.chunks) chunks.push(Buffer.from(chunk));
    const body = Buffer.concat(chunks);
    this.sent.push({ request, body });
    return this.inner.send({ ...request, body });
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  /** Bodies sent as parts of uploads, or staged. */
  parts(): Buffer[] {
    return this.sent.flatMap(({ request, body }) => {
      const isPart = request.query?.some(([name]) => name === 'partNumber') === true;
      return isPart || request.key?.includes('/staged/') === true ? [body] : [];
    });
  }
}

/** How many aligned blocks of 16 bytes two buffers share: with one key and nonce for the same plaintext it would be all. */
function sharedBlocks(a: Buffer, b: Buffer): number {
  const blocks = (buffer: Buffer) =>
    Array.from({ length: Math.floor(buffer.length / 16) }, (_, at) => buffer.toString('hex', at * 16, at * 16 + 16));
  const known = new Set(blocks(a));
  return blocks(b).filter((block) => known.has(block)).length;
}

describe('several at once', () => {
  let store: OpenedBackend;
  let recorder: Recorder;
  let bench: Bench;
  let faulty: FaultyBackend;
  let other: Replica;
  beforeAll(async () => {
    store = await temporaryStore();
    recorder = new Recorder(store.backend);
    bench = await openBench({ store: { backend: recorder, close: store.close } });
    faulty = faultyBackend(store.backend);
    other = await openReplica(bench, faulty);
  });
  afterAll(async () => {
    await other.proxy.close();
    await bench.close();
  });

  async function ready(key: string, bodies: readonly Buffer[] = [SMALL]) {
    const upload = await beginUpload(bench, key);
    const listed: Listed[] = [];
    for (const [at, body] of bodies.entries()) listed.push(await upload.put(at + 1, body));
    return { upload, there: upload.through(other.send), listed, body: Buffer.concat(bodies) };
  }

  async function expectNothingLeft(): Promise<void> {
    expect(await uploadState(store.backend)).toEqual([]);
    expect(await openUploads(store.backend, bench.bucket)).toEqual([]);
  }

  async function expectBody(upload: Upload, body: Buffer): Promise<void> {
    const got = await upload.get();
    expect([got.status, got.cut, got.body.equals(body)]).toEqual([200, false, true]);
  }

  /** Holds the other replica's next Complete at the store's door. */
  function holdComplete(): { reached: Promise<void>; release: () => void } {
    const released = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    const remove = faulty.inject({
      when: (request) => {
        if (request.method !== 'POST' || !('uploadId' in request.query)) return false;
        reached.resolve();
        return true;
      },
      fault: { kind: 'hold', until: released.promise },
      times: 1,
    });
    return {
      reached: reached.promise,
      release() {
        remove();
        released.resolve();
      },
    };
  }

  it('the same Complete at two replicas: both say so, or one asks to try again; 15 rounds', async () => {
    for (let round = 0; round < 15; round++) {
      const { upload, there, listed, body } = await ready(`race/${round}`, round % 5 === 0 ? [LARGE, SMALL] : [SMALL]);
      const replies = await Promise.all([upload.complete(listed), there.complete(listed)]);
      const outcomes = replies.map(outcome);
      for (const one of outcomes) expect(['200', '503 ServiceUnavailable']).toContain(one);
      expect(outcomes).toContain('200');
      await expectBody(upload, body);
      expect(outcome(await there.complete(listed))).toBe('200');
      await expectNothingLeft();
    }
  });

  it('a Complete whose footer another one replaces finds its way', async () => {
    const { upload, there, listed, body } = await ready('replaced', [LARGE, SMALL]);
    const held = holdComplete();
    const slow = there.complete(listed);
    await held.reached;
    // Its end is part 2 at the store by now; that of another Complete takes its place.
    const query = [['partNumber', '2'] as const, ['uploadId', upload.id] as const];
    const { bucket, key } = upload;
    await askStore(store.backend, { method: 'PUT', bucket, key, query, body: randomBytes(500) });
    held.release();
    const reply = await slow;
    expect([outcome(reply), elements(reply, 'ETag')]).toEqual(['200', [`"${multipartEtag([LARGE, SMALL])}"`]]);
    await expectBody(upload, body);
    await expectNothingLeft();
  });

  it('a Complete that finds a listed part replaced says so', async () => {
    const { upload, there, listed } = await ready('relisted', [LARGE]);
    const held = holdComplete();
    const slow = there.complete(listed);
    await held.reached;
    const changed = Buffer.from(LARGE).fill(7, 0, 100);
    const now = [await upload.put(1, changed)];
    held.release();
    expect(outcome(await slow)).toBe('400 InvalidPart');
    expect(outcome(await upload.get())).toBe('404 NoSuchKey');
    expect(outcome(await upload.complete(now))).toBe('200');
    await expectBody(upload, changed);
  });

  it('Complete and Abort: one of them happened; 15 rounds', async () => {
    for (let round = 0; round < 15; round++) {
      const { upload, there, listed, body } = await ready(`ended/${round}`);
      const calls = [() => upload.complete(listed), () => there.abort()];
      const [completed, aborted] =
        round % 2 === 0
          ? await Promise.all([upload.complete(listed), there.abort()])
          : (await Promise.all(calls.reverse().map((call) => call()))).reverse();
      if (completed === undefined || aborted === undefined) throw new Error('two replies were awaited');
      expect(['200', '404 NoSuchUpload']).toContain(outcome(completed));
      expect(['204', '404 NoSuchUpload']).toContain(outcome(aborted));
      if (completed.status === 200) await expectBody(upload, body);
      else expect(outcome(await upload.get())).toBe('404 NoSuchKey');
      await upload.abort();
      await expectNothingLeft();
    }
  });

  it('two uploads of one key on condition that nothing is there: exactly one wins, 10 times of 10', async () => {
    for (let round = 0; round < 10; round++) {
      const [one, two] = [await ready(`condition/${round}`), await ready(`condition/${round}`)];
      const condition = [['if-none-match', '*']] as const;
      const replies = await Promise.all([
        one.upload.complete(one.listed, condition),
        two.there.complete(two.listed, condition),
      ]);
      expect(replies.map(outcome).sort()).toEqual(['200', '412 PreconditionFailed']);
      await expectBody(one.upload, SMALL);
      for (const { upload } of [one, two]) await upload.abort();
    }
    await expectNothingLeft();
  });

  it('If-Match: the plaintext ETag of what is there, and 404 when nothing is', async () => {
    const { upload, listed } = await ready('if-match');
    const { s3, bucket } = bench;
    expect(outcome(await upload.complete(listed, [['if-match', '"x"']]))).toBe('404 NoSuchKey');
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'if-match', Body: 'before' }));
    const etag = md5(Buffer.from('before'));
    expect(outcome(await upload.complete(listed, [['if-match', '"x"']]))).toBe('412 PreconditionFailed');
    expect(outcome(await upload.complete(listed, [['if-none-match', '*']]))).toBe('412 PreconditionFailed');
    expect((await upload.get()).body.toString()).toBe('before');
    expect(outcome(await upload.complete(listed, [['if-match', `"${etag}"`]]))).toBe('200');
    await expectBody(upload, SMALL);
  });

  it('If-Match: what changes after it was compared is not overwritten', async () => {
    const { upload, there, listed } = await ready('late');
    const { s3, bucket } = bench;
    const put = (Body: string) => s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'late', Body }));
    await put('one');
    const held = holdComplete();
    const slow = there.complete(listed, [['if-match', `"${md5(Buffer.from('one'))}"`]]);
    await held.reached;
    await put('two');
    held.release();
    expect(outcome(await slow)).toBe('412 PreconditionFailed');
    expect((await upload.get()).body.toString()).toBe('two');
    await upload.abort();
  });

  it('If-Match: the same content stored anew in between is a conflict to try again', async () => {
    const { upload, there, listed } = await ready('conflict');
    const put = () => bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key: 'conflict', Body: 'one' }));
    await put();
    const condition = [['if-match', `"${md5(Buffer.from('one'))}"`]] as const;
    const held = holdComplete();
    const slow = there.complete(listed, condition);
    await held.reached;
    await put();
    held.release();
    expect(outcome(await slow)).toBe('409 ConditionalRequestConflict');
    expect(outcome(await there.complete(listed, condition))).toBe('200');
    await expectBody(upload, SMALL);
  });

  it('a Complete that fails leaves the parts that it did not list as they were', async () => {
    await bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key: 'unlisted', Body: 'there' }));
    const { upload, listed, body } = await ready('unlisted', [LARGE, LARGE, LARGE]);
    const first = await upload.complete(listed.slice(0, 1), [['if-none-match', '*']]);
    expect(outcome(first)).toBe('412 PreconditionFailed');
    expect(outcome(await upload.complete(listed))).toBe('200');
    await expectBody(upload, body);
  });

  describe('no attempt repeats a key', () => {
    it.each([
      ['staged', SMALL],
      ['at the store', LARGE],
    ])('a part %s, sent twice with the same bytes and once with others', async (_name, body) => {
      const upload = await beginUpload(bench, 'attempts');
      const mark = recorder.parts().length;
      const changed = Buffer.from(body).fill(0, 0, 10);
      for (const bytes of [body, body, changed]) await upload.put(1, bytes);
      const sealed = recorder
        .parts()
        .slice(mark)
        .map((bytes) => bytes.subarray(0, 300_000));
      expect(sealed).toHaveLength(3);
      const salts = sealed.map((bytes) => bytes.toString('hex', 16, 48));
      expect(new Set(salts).size).toBe(3);
      for (const [a, b] of [[0, 1] as const, [0, 2] as const, [1, 2] as const]) {
        // The magic in front is the same; nothing behind it is.
        expect(sharedBlocks(sealed[a] ?? body, (sealed[b] ?? body).subarray(16))).toBe(0);
      }
      await upload.abort();
    });

    it('the footers of a Complete sent three times, once with another list', async () => {
      await bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key: 'footers', Body: 'there' }));
      const { upload, listed } = await ready('footers', [LARGE, LARGE]);
      const mark = recorder.parts().length;
      for (const parts of [listed, listed, listed.slice(0, 1)]) {
        expect(outcome(await upload.complete(parts, [['if-none-match', '*']]))).toBe('412 PreconditionFailed');
      }
      const footers = recorder.parts().slice(mark);
      expect(footers.map(({ length }) => length > 100 && length < 2000)).toEqual([true, true, true]);
      for (const [a, b] of [[0, 1] as const, [0, 2] as const, [1, 2] as const]) {
        // The pad in front is zeros, and the locator behind it holds lengths alone.
        const [one, two] = [footers[a] ?? SMALL, footers[b] ?? SMALL].map((footer) =>
          footer.subarray(
            footer.findIndex((byte) => byte !== 0),
            -24,
          ),
        );
        expect(sharedBlocks(one ?? SMALL, two ?? SMALL)).toBe(0);
      }
      expect(outcome(await upload.complete(listed))).toBe('200');
      expect(elements(await upload.complete(listed), 'ETag')).toHaveLength(1);
      await expectBody(upload, Buffer.concat([LARGE, LARGE]));
    });
  });
});
