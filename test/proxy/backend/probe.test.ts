// Protects: each capability is found by what the store does, not by what it says; and the probe leaves nothing behind.
import { describe, expect, test } from 'vitest';
import { type Backend, BackendUnavailable } from '../../../proxy/backend/backend.ts';
import { type Capabilities, describeCapabilities } from '../../../proxy/backend/capabilities.ts';
import { probeCapabilities } from '../../../proxy/backend/probe.ts';
import { type Flaw, modelStore } from '../../helpers/model-store.ts';

const options = { bucket: 'state', prefix: 'sealgate/', signal: new AbortController().signal };

const ALL: Capabilities = {
  conditionalPut: true,
  conditionalPutIfMatch: true,
  conditionalDelete: true,
  conditionalCopy: true,
  conditionalCopySource: true,
  conditionalComplete: true,
  versioning: true,
  equalParts: false,
  replaceMetadata: true,
  contentMd5: true,
  crc32c: true,
  discardsCutBodies: true,
  listsMetadata: true,
};

test('a store that does everything right', async () => {
  expect(await probeCapabilities(modelStore(), options)).toEqual(ALL);
});

describe('a store with one flaw lacks one capability', () => {
  const cases: [Flaw, Partial<Capabilities>][] = [
    ['put-if-none-match', { conditionalPut: false }],
    ['put-if-match', { conditionalPutIfMatch: false }],
    ['delete-if-match', { conditionalDelete: false }],
    ['copy-if-match', { conditionalCopy: false }],
    ['copy-source-if-match', { conditionalCopySource: false }],
    ['complete-if-match', { conditionalComplete: false }],
    ['no-versioning', { versioning: false }],
    ['equal-parts', { equalParts: true }],
    ['keeps-metadata', { replaceMetadata: false }],
    ['ignores-content-md5', { contentMd5: false }],
    ['ignores-crc32c', { crc32c: false }],
    ['refuses-crc32c', { crc32c: false }],
    ['stores-cut-bodies', { discardsCutBodies: false }],
    ['lists-no-metadata', { listsMetadata: false }],
    ['lists-short-metadata', { listsMetadata: false }],
    ['races', { conditionalPut: false, conditionalPutIfMatch: false }],
  ];

  test.each(cases)('%s', async (flaw, lacking) => {
    const backend = modelStore({ flaws: [flaw] });
    expect(await probeCapabilities(backend, options)).toEqual({ ...ALL, ...lacking });
    expect(backend.objects.size).toBe(0);
    expect(backend.uploads.size).toBe(0);
  });

  test('every capability has a case', () => {
    expect(new Set(cases.flatMap(([, lacking]) => Object.keys(lacking)))).toEqual(new Set(Object.keys(ALL)));
  });
});

describe('it removes what it wrote', () => {
  test('and nothing else', async () => {
    const backend = modelStore();
    const request = { method: 'PUT', bucket: 'state', signal: options.signal } as const;
    await backend.send({ ...request, key: 'sealgate/keyrings/a', body: Buffer.from('kept') });
    await backend.send({ ...request, key: 'sealgate/probe/other', body: Buffer.from('kept') });
    await probeCapabilities(backend, options);
    expect([...backend.objects.keys()]).toEqual(['state/sealgate/keyrings/a', 'state/sealgate/probe/other']);
    expect(backend.uploads.size).toBe(0);
  });

  test('also when a step fails', async () => {
    const inner = modelStore();
    let requests = 0;
    const failing: Backend = {
      ...inner,
      async send(request) {
        requests++;
        if (request.method === 'POST' && request.query?.[0]?.[0] === 'uploadId') throw new BackendUnavailable('reset');
        return inner.send(request);
      },
    };
    await expect(probeCapabilities(failing, options)).rejects.toThrowError(BackendUnavailable);
    expect(requests).toBeGreaterThan(20);
    expect(inner.objects.size).toBe(0);
    expect(inner.uploads.size).toBe(0);
  });
});

describe('a store that cannot be used is an error, not a store without capabilities', () => {
  test.each([
    [404, 'NoSuchBucket', 'NoSuchBucket'],
    [403, 'SignatureDoesNotMatch', 'ServiceUnavailable'],
    [503, 'SlowDown', 'SlowDown'],
  ])('%i %s', async (status, code, expected) => {
    const inner = modelStore();
    const send: Backend['send'] = async (request) => {
      const answer = await inner.send(request);
      const body = Buffer.from(`<Error><Code>${code}</Code></Error>`);
      return { ...answer, status, headers: {}, body: (await import('node:stream')).Readable.from([body]) };
    };
    await expect(probeCapabilities({ ...inner, send }, options)).rejects.toMatchObject({ code: expected });
  });
});

test('the banner names what works and what does not', () => {
  expect(describeCapabilities(ALL)).toMatch(/^yes: PUT If-None-Match, .*; no: equal parts wanted$/);
  expect(describeCapabilities({ ...ALL, conditionalDelete: false })).toContain(
    'no: DELETE If-Match, equal parts wanted',
  );
});
