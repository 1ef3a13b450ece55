/** Protects random twin sequences: they repeat themselves from a seed, use only what they saved, and say what they did not reach. */
import { describe, expect, it } from 'vitest';
import { operationOf } from '../difference.ts';
import { Coverage } from './coverage.ts';
import { randomSequence } from './sequence.ts';

describe('sequences', () => {
  it('repeat themselves from their seed, and differ from others', () => {
    const texts = [1, 2, 3, 1].map((seed) => JSON.stringify(randomSequence(seed, 'minio')));
    expect(texts[3]).toBe(texts[0]);
    expect(new Set(texts).size).toBe(3);
  });

  it('name nothing that no earlier step saves', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const saved = new Set(['bucket']);
      for (const step of randomSequence(seed, 'moto-strict').steps) {
        for (const request of 'method' in step ? [step] : step) {
          const { body: _, ...texts } = request;
          for (const [, name = ''] of JSON.stringify(texts).matchAll(/\{\{(\w+)\}\}/g)) expect(saved).toContain(name);
          for (const name of Object.keys(request.save ?? {})) saved.add(name);
        }
      }
    }
  });
});

describe('coverage', () => {
  const reply = (status: number) => ({ status, headers: [], body: Buffer.alloc(0) });
  const put = {
    store: 'minio',
    request: { method: 'PUT', key: 'k' },
    operation: 'PUT object',
    otherEtags: new Set<string>(),
  } as const;

  it('says what was not reached with success, and what not with an error', () => {
    const coverage = new Coverage('minio');
    coverage.add({ unexplained: [], exchanges: [{ ...put, bare: reply(200), proxy: reply(200) }] });
    expect(coverage.missing()).toContain('PUT object with an error');
    expect(coverage.missing()).not.toContain('PUT object with success');
    coverage.add({ unexplained: [], exchanges: [{ ...put, bare: reply(412), proxy: reply(412) }] });
    expect(coverage.missing().filter((line) => line.startsWith('PUT object with'))).toEqual([]);
    expect(coverage.table()).toContain('200: 1, 412: 1');
  });

  it('counts conditions, checksums and keys by what the proxy answered', () => {
    const coverage = new Coverage('embedded');
    const asks = [
      { method: 'DELETE', key: 'a/../b', headers: [['if-match', '*']] },
      { method: 'PUT', key: 'x//y', trailer: ['x-amz-checksum-xxhash128', ''] },
    ] as const;
    const wanted = ['DELETE object, conditional', 'promised XXHASH128', 'key with ..', 'key with //'];
    const lines = wanted.flatMap((name) => [`${name} with success`, `${name} with an error`]);
    const missing = () => coverage.missing().filter((line) => lines.includes(line));
    expect(missing().toSorted()).toEqual(lines.toSorted());
    for (const [left, proxy] of [
      [4, reply(204)],
      [0, reply(400)],
    ] as const) {
      for (const request of asks) {
        const exchange = {
          store: 'embedded',
          request,
          operation: operationOf(request),
          bare: reply(500),
          proxy,
          otherEtags: new Set<string>(),
        } as const;
        coverage.add({ unexplained: [], exchanges: [exchange] });
      }
      expect(missing()).toHaveLength(left);
    }
  });

  it('is reached by what the makers make, on every store', () => {
    for (const store of ['embedded', 'moto-strict', 'moto', 'minio'] as const) {
      const coverage = new Coverage(store);
      for (let seed = 1; seed <= 80; seed++) {
        for (const step of randomSequence(seed, store).steps) {
          for (const request of 'method' in step ? [step] : step) {
            for (const status of [200, 400]) {
              const replies = { bare: reply(status), proxy: reply(status) };
              coverage.add({
                unexplained: [],
                exchanges: [{ store, request, operation: operationOf(request), ...replies, otherEtags: new Set() }],
              });
            }
          }
        }
      }
      // The bucket itself is made by the harness.
      expect(coverage.missing().filter((line) => !line.startsWith('PUT bucket'))).toEqual([]);
    }
  });
});
