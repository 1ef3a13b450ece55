// Protects: each scripted fault really happens, as often as asked and no more; otherwise tests of failures would pass
// without any failure.
import { describe, expect, test } from 'vitest';
import { type BackendRequest, BackendUnavailable } from '../../proxy/backend/backend.ts';
import { readBody } from '../../proxy/backend/read-body.ts';
import { faultyBackend } from './faulty-backend.ts';
import { modelStore } from './model-store.ts';

const signal = new AbortController().signal;
const put = { method: 'PUT', bucket: 'data', key: 'k', signal } as const;
const get = { ...put, method: 'GET' } as const;

function open() {
  const inner = modelStore();
  return { inner, faulty: faultyBackend(inner) };
}

function stream(...pieces: string[]) {
  async function* chunks() {
    for (const piece of pieces) yield Buffer.from(piece);
  }
  return { length: pieces.join('').length, chunks: chunks() };
}

test('without rules it changes nothing and records everything', async () => {
  const { inner, faulty } = open();
  const headers = { 'x-amz-meta-a': '1', 'if-none-match': '*' };
  expect((await faulty.send({ ...put, headers, body: Buffer.from('abc') })).status).toBe(200);
  const response = await faulty.send({ ...get, query: [['versionId', 'v']] });
  expect((await readBody(response, { maxBytes: 10 })).toString()).toBe('abc');
  await faulty.send({ ...put, key: 's', body: stream('a', 'b') });
  expect(inner.objects.size).toBe(2);
  expect(faulty.requests).toEqual([
    {
      method: 'PUT',
      bucket: 'data',
      key: 'k',
      query: {},
      headers,
      headerNames: ['x-amz-meta-a', 'if-none-match'],
      bodyBytes: 3,
      isStream: false,
    },
    expect.objectContaining({ method: 'GET', query: { versionId: 'v' }, bodyBytes: 0 }),
    expect.objectContaining({ key: 's', bodyBytes: 2, isStream: true }),
  ]);
  expect(faulty.faults()).toBe(0);
});

describe('rules', () => {
  const fault = { kind: 'status', status: 503, code: 'SlowDown' } as const;
  const statuses = async (faulty: ReturnType<typeof faultyBackend>, requests: readonly BackendRequest[]) => {
    const all: number[] = [];
    for (const request of requests) all.push((await faulty.send(request)).status);
    return all;
  };

  test('apply to what they match, after so many, so many times', async () => {
    const { faulty } = open();
    faulty.inject({ when: (request) => request.method === 'PUT', fault, skip: 1, times: 2 });
    const body = Buffer.from('x');
    const requests = [put, put, get, put, put].map((one) => (one.method === 'PUT' ? { ...one, body } : one));
    expect(await statuses(faulty, requests)).toEqual([200, 503, 200, 503, 200]);
    expect(faulty.faults()).toBe(2);
  });

  test('can be removed, one or all', async () => {
    const { faulty } = open();
    const remove = faulty.inject({ fault });
    expect(await statuses(faulty, [get])).toEqual([503]);
    remove();
    expect(await statuses(faulty, [get])).toEqual([404]);
    faulty.inject({ fault });
    faulty.reset();
    expect(await statuses(faulty, [get])).toEqual([404]);
    expect(faulty.requests).toHaveLength(1);
  });

  test('the first that matches counts', async () => {
    const { faulty } = open();
    faulty.inject({ fault, times: 1 });
    faulty.inject({ fault: { ...fault, status: 500 } });
    expect(await statuses(faulty, [get, get])).toEqual([503, 500]);
  });
});

describe('faults', () => {
  test('a status comes with its document, and the store is not asked', async () => {
    const { inner, faulty } = open();
    faulty.inject({ fault: { kind: 'status', status: 500, code: 'InternalError' } });
    const response = await faulty.send({ ...put, body: Buffer.from('x') });
    expect(response.status).toBe(500);
    expect((await readBody(response, { maxBytes: 1000 })).toString()).toContain('<Code>InternalError</Code>');
    expect(inner.objects.size).toBe(0);
  });

  test.each([
    ['before', 0],
    ['after', 1],
  ] as const)('unavailable %s the store acted', async (when, stored) => {
    const { inner, faulty } = open();
    faulty.inject({ fault: { kind: 'unavailable', when } });
    await expect(faulty.send({ ...put, body: Buffer.from('x') })).rejects.toThrowError(BackendUnavailable);
    expect(inner.objects.size).toBe(stored);
  });

  test.each([0, 1, 3, 4, 5, 6])('a request cut at byte %i of 6 stores nothing', async (atByte) => {
    for (const body of [Buffer.from('abcdef'), stream('ab', 'cd', 'ef')]) {
      const { inner, faulty } = open();
      faulty.inject({ fault: { kind: 'cut-request', atByte } });
      await expect(faulty.send({ ...put, body })).rejects.toThrowError(BackendUnavailable);
      expect(inner.objects.size).toBe(0);
    }
  });

  test.each([0, 1, 5, 6])('a response cut at byte %i of 6 gives so many and an error', async (atByte) => {
    const { faulty } = open();
    await faulty.send({ ...put, body: Buffer.from('abcdef') });
    faulty.inject({ fault: { kind: 'cut-response', atByte } });
    const response = await faulty.send(get);
    const got: Buffer[] = [];
    const reading = (async () => {
      for await (const chunk of response.body as AsyncIterable<Buffer>) got.push(chunk);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(Buffer.concat(got).toString()).toBe('abcdef'.slice(0, atByte));
  });

  test('a held request waits', async () => {
    const { inner, faulty } = open();
    const gate = Promise.withResolvers<void>();
    faulty.inject({ fault: { kind: 'hold', until: gate.promise } });
    const sending = faulty.send({ ...put, body: Buffer.from('x') });
    await new Promise((resolve) => setImmediate(resolve));
    expect(inner.objects.size).toBe(0);
    gate.resolve();
    await sending;
    expect(inner.objects.size).toBe(1);
  });

  test('conditions are ignored', async () => {
    const { inner, faulty } = open();
    await faulty.send({ ...put, body: Buffer.from('old') });
    const request = { ...put, headers: { 'if-none-match': '*', 'x-amz-meta-a': '1' }, body: Buffer.from('new') };
    expect((await faulty.send(request)).status).toBe(412);
    faulty.inject({ fault: { kind: 'ignore-conditions' } });
    expect((await faulty.send(request)).status).toBe(200);
    expect(inner.objects.get('data/k')).toMatchObject({ headers: { 'x-amz-meta-a': '1' }, body: Buffer.from('new') });
  });

  test('responses and requests are tampered with', async () => {
    const { inner, faulty } = open();
    faulty.inject({
      when: (request) => request.method === 'GET',
      fault: {
        kind: 'tamper',
        change: (response) => ({ ...response, headers: { ...response.headers, etag: '"forged"' } }),
      },
    });
    faulty.inject({ fault: { kind: 'tamper-request', change: (request) => ({ ...request, key: 'elsewhere' }) } });
    await faulty.send({ ...put, body: Buffer.from('x') });
    expect([...inner.objects.keys()]).toEqual(['data/elsewhere']);
    expect((await faulty.send(get)).headers).toMatchObject({ etag: '"forged"' });
  });
});

test('an aborted request is not sent', async () => {
  const { faulty } = open();
  await expect(faulty.send({ ...get, signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrowError('gone');
  expect(faulty.requests).toHaveLength(0);
});
