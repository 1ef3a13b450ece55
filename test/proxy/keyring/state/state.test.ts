// Protects: two writers of one record never both win, nothing of the backend's trouble looks like an absent record, and no
// replaced version of a record stays behind.
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { S3Error } from '../../../../proxy/errors.ts';
import { StateConflict, StateStore } from '../../../../proxy/keyring/state/state.ts';
import { MAX_STATE_RECORD_BYTES } from '../../../../proxy/limits.ts';
import { failure, reply, StateBackend } from '../../../helpers/state-backend.ts';

const signal = new AbortController().signal;
const [x, y] = [Buffer.from('x'), Buffer.from('y')];

async function setup(prefix = 'a b/ü') {
  const backend = new StateBackend();
  const state = new StateStore({ backend, bucket: 'state', prefix });
  await state.ensureBucket(signal);
  return { backend, state };
}

async function collect(names: AsyncIterable<string>): Promise<readonly string[]> {
  const all = [];
  for await (const name of names) all.push(name);
  return all;
}

function namesOf(state: StateStore, prefix: string): Promise<readonly string[]> {
  return collect(state.list(prefix, signal));
}

describe('records', () => {
  it('are written by compare-and-swap', async () => {
    const { backend, state } = await setup();
    const modified = new Date('2026-06-01T00:00:00Z');
    backend.now = () => modified;
    expect(await state.get('n/1', signal)).toBeUndefined();
    await expect(state.put('n/1', x, { ifMatch: '"no"' }, signal)).rejects.toThrow(StateConflict);
    const first = await state.put('n/1', x, { ifAbsent: true }, signal);
    expect(await state.get('n/1', signal)).toEqual({ body: x, etag: first, modified });
    await expect(state.put('n/1', y, { ifAbsent: true }, signal)).rejects.toThrow(StateConflict);
    const second = await state.put('n/1', y, { ifMatch: first }, signal);
    await expect(state.put('n/1', x, { ifMatch: first }, signal)).rejects.toThrow(StateConflict);
    expect(await state.getIfChanged('n/1', second, signal)).toBe('unchanged');
    expect(await state.getIfChanged('n/1', first, signal)).toEqual({ body: y, etag: second, modified });
    expect(backend.keys('state')).toEqual(['a b/ü/n/1']);
    await state.delete('n/1', signal);
    await state.delete('n/1', signal);
    expect(await state.getIfChanged('n/1', second, signal)).toBeUndefined();
  });

  it('have one winner of 20 writers', async () => {
    const { state } = await setup();
    const etag = await state.put('n', x, { ifAbsent: true }, signal);
    const writers = Array.from({ length: 20 }, (_, index) =>
      state.put('n', Buffer.from(`${index}`), { ifMatch: etag }, signal),
    );
    const results = await Promise.allSettled(writers);
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
  });

  it('conflict when the backend reports a concurrent write', async () => {
    const { backend, state } = await setup();
    backend.intercept = () => failure(409, 'ConditionalRequestConflict');
    await expect(state.put('n', x, { ifAbsent: true }, signal)).rejects.toThrow(StateConflict);
  });

  it('are listed through all pages, whatever their names', async () => {
    const { backend, state } = await setup();
    const names = ['n/+ %', 'n/1', 'n/2', 'n/a=b', 'n/ü&<', 'other'];
    for (const name of names) await state.put(name, x, { ifAbsent: true }, signal);
    for (const pageSize of [1, 2, 5, 1000]) {
      backend.pageSize = pageSize;
      expect(await namesOf(state, 'n/')).toEqual([...names.slice(0, 5)].sort());
    }
    expect(await namesOf(state, 'none/')).toEqual([]);
  });

  it('stay within the prefix, or the whole bucket without one', async () => {
    const { backend } = await setup();
    for (const [prefix, key] of [
      ['', 'n'],
      ['p', 'p/n'],
      ['p/', 'p/n'],
    ] as const) {
      const state = new StateStore({ backend, bucket: 'state', prefix });
      await state.delete('n', signal);
      await state.put('n', x, { ifAbsent: true }, signal);
      expect(backend.keys('state')).toContain(key);
      expect(await namesOf(state, 'n')).toContain('n');
    }
  });
});

describe('versions', () => {
  it('that were replaced or deleted are removed', async () => {
    const { backend, state } = await setup('p');
    backend.isVersioned = true;
    let etag = await state.put('n', x, { ifAbsent: true }, signal);
    await state.put('n2', x, { ifAbsent: true }, signal);
    for (let write = 0; write < 3; write += 1)
      etag = await state.put('n', Buffer.from(`${write}`), { ifMatch: etag }, signal);
    expect([backend.versions('state', 'p/n'), backend.versions('state', 'p/n2')]).toEqual([1, 1]);
    expect((await state.get('n', signal))?.body.toString()).toBe('2');
  });

  it('cost no request where the bucket keeps none', async () => {
    const { backend, state } = await setup();
    const etag = await state.put('n', x, { ifAbsent: true }, signal);
    const before = backend.requests.length;
    await state.put('n', y, { ifMatch: etag }, signal);
    expect(backend.requests.length).toBe(before + 1);
  });
});

describe('the bucket', () => {
  it('is made once', async () => {
    const { backend, state } = await setup();
    await state.ensureBucket(signal);
    expect(backend.requests.map((request) => request.method)).toEqual(['HEAD', 'PUT', 'HEAD']);
  });

  it('may be made by somebody else at the same moment', async () => {
    const { backend, state } = await setup();
    backend.intercept = (request) => (request.method === 'HEAD' ? reply(404) : undefined);
    await state.ensureBucket(signal);
    backend.intercept = (request) => (request.method === 'HEAD' ? reply(404) : failure(409, 'BucketAlreadyExists'));
    await expect(state.ensureBucket(signal)).rejects.toMatchObject({ code: 'ServiceUnavailable' });
    backend.intercept = () => reply(403);
    await expect(state.ensureBucket(signal)).rejects.toMatchObject({ code: 'ServiceUnavailable' });
  });
});

describe('trouble', () => {
  const calls: readonly (readonly [string, (state: StateStore, abort: AbortSignal) => Promise<unknown>])[] = [
    ['get', (state, abort) => state.get('n', abort)],
    ['getIfChanged', (state, abort) => state.getIfChanged('n', '"e"', abort)],
    ['put', (state, abort) => state.put('n', x, { ifAbsent: true }, abort)],
    ['delete', (state, abort) => state.delete('n', abort)],
    ['list', (state, abort) => collect(state.list('', abort))],
    ['ensureBucket', (state, abort) => state.ensureBucket(abort)],
  ];

  it.each(calls)('%s: a 503 when the backend is down, fails or has lost the bucket', async (name, call) => {
    const { backend, state } = await setup();
    backend.isDown = true;
    await expect(call(state, signal)).rejects.toMatchObject({ code: 'ServiceUnavailable' });
    backend.isDown = false;
    for (const status of [500, 403]) {
      backend.intercept = () => failure(status, 'Whatever');
      await expect(call(state, signal)).rejects.toMatchObject({ code: 'ServiceUnavailable' });
    }
    backend.intercept = () => failure(404, 'NoSuchBucket');
    if (name !== 'ensureBucket')
      await expect(call(state, signal)).rejects.toMatchObject({ code: 'ServiceUnavailable' });
  });

  it.each(calls)('%s: an abort stays an abort, and a bug of the backend stays a bug', async (_name, call) => {
    const { backend, state } = await setup();
    const controller = new AbortController();
    backend.intercept = () => {
      controller.abort(new Error('client left'));
      return undefined;
    };
    await expect(call(state, controller.signal)).rejects.toThrow('client left');
    backend.intercept = () => {
      throw new TypeError('a bug');
    };
    await expect(call(state, signal)).rejects.toThrow(TypeError);
  });

  it('a body that breaks off or never ends is a 503', async () => {
    const { backend, state } = await setup();
    const broken = Readable.from(
      (async function* () {
        yield Buffer.from('{"a"');
        throw new Error('reset');
      })(),
    );
    backend.intercept = () => ({ status: 200, headers: { etag: '"e"' }, body: broken });
    await expect(state.get('n', signal)).rejects.toMatchObject({ code: 'ServiceUnavailable' });
    let sent = 0;
    const endless = Readable.from(
      (async function* () {
        for (;;) {
          sent += 65_536;
          yield Buffer.alloc(65_536);
        }
      })(),
    );
    backend.intercept = () => ({ status: 200, headers: { etag: '"e"' }, body: endless });
    await expect(state.get('n', signal)).rejects.toBeInstanceOf(S3Error);
    expect(endless.destroyed).toBe(true);
    expect(sent).toBeLessThan(2 * MAX_STATE_RECORD_BYTES);
  });

  it('a listing that is no listing is a 503', async () => {
    const { backend, state } = await setup();
    for (const text of ['', 'hello', '<Other/>', '<!DOCTYPE a><ListBucketResult/>']) {
      backend.intercept = () => reply(200, text);
      await expect(namesOf(state, '')).rejects.toMatchObject({ code: 'ServiceUnavailable' });
    }
  });
});
