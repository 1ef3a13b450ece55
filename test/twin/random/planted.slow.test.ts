/**
 * Protects the random twin sequences: they find planted defects of many kinds within a bounded number of requests, and shrink what
 * they find to a few steps. Two embedded stores stand for the two sides; one of them is spoilt.
 */
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Backend, BackendRequest, BackendResponse } from '../../../proxy/backend/backend.ts';
import { temporaryStore } from '../../helpers/bench.ts';
import { serveBare } from '../bare-server.ts';
import { type Twin, twinOf } from '../twin.ts';
import { randomSequence } from './sequence.ts';
import { smallest } from './smallest.ts';

type Flaw = (
  request: BackendRequest,
  send: (request: BackendRequest) => Promise<BackendResponse>,
) => Promise<BackendResponse>;

async function whole(response: BackendResponse): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of response.body) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The document of a 200 changed; its length with it. */
const rewritten =
  (isMeant: (request: BackendRequest) => boolean, change: (document: string) => string): Flaw =>
  async (request, send) => {
    const response = await send(request);
    if (!isMeant(request) || response.status !== 200) return response;
    const body = Buffer.from(change((await whole(response)).toString('utf8')));
    return {
      ...response,
      headers: { ...response.headers, 'content-length': String(body.length) },
      body: Readable.from([body]),
    };
  };

const without = (headers: Readonly<Record<string, string>>, name: string): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([other]) => other !== name));

/** Whether the query has it. */
const asks = ({ query = [] }: BackendRequest, name: string): boolean => query.some(([other]) => other === name);
const isWrite = ({ method, key }: BackendRequest): boolean => method === 'PUT' && key !== undefined;

const FLAWS: Readonly<Record<string, Flaw>> = {
  'a range that is one byte off': async (request, send) => {
    const response = await send(request);
    if (response.status !== 206 || request.method !== 'GET') return response;
    const body = await whole(response);
    return { ...response, body: Readable.from([Buffer.concat([body.subarray(1), body.subarray(0, 1)])]) };
  },
  'If-None-Match ignored on PUT': (request, send) =>
    send(isWrite(request) ? { ...request, headers: without(request.headers ?? {}, 'if-none-match') } : request),
  'If-Match ignored on GET': (request, send) =>
    send(request.method === 'GET' ? { ...request, headers: without(request.headers ?? {}, 'if-match') } : request),
  'If-Match ignored on DELETE': (request, send) =>
    send(request.method === 'DELETE' ? { ...request, headers: without(request.headers ?? {}, 'if-match') } : request),
  'If-None-Match ignored on CompleteMultipartUpload': (request, send) =>
    send(
      request.method === 'POST' && asks(request, 'uploadId')
        ? { ...request, headers: without(request.headers ?? {}, 'if-none-match') }
        : request,
    ),
  'If-None-Match ignored on a copy': (request, send) =>
    send(
      request.headers?.['x-amz-copy-source'] === undefined
        ? request
        : { ...request, headers: without(request.headers, 'if-none-match') },
    ),
  'empty segments of keys merged': (request, send) =>
    send(request.key === undefined ? request : { ...request, key: request.key.replaceAll(/\/{2,}/g, '/') }),
  'metadata lost': (request, send) =>
    send(isWrite(request) ? { ...request, headers: without(request.headers ?? {}, 'x-amz-meta-colour') } : request),
  'the ETag of a multipart upload without its number of parts': rewritten(
    (request) => request.method === 'POST' && asks(request, 'uploadId'),
    (document) => document.replace(/-\d+(&quot;|")?<\/ETag>/, '$1</ETag>'),
  ),
  'a row lost from listings': rewritten(
    (request) => request.method === 'GET' && request.key === undefined && asks(request, 'list-type'),
    (document) => document.replace(/<Contents>(?!.*<Contents>).*?<\/Contents>/s, ''),
  ),
  'sizes of listings one too large': rewritten(
    (request) => request.method === 'GET' && request.key === undefined,
    (document) => document.replace(/<Size>(\d+)<\/Size>/, (_, size: string) => `<Size>${Number(size) + 1}</Size>`),
  ),
  'the metadata directive of a copy ignored': async (request, send) => {
    const isCopy = request.headers?.['x-amz-copy-source'] !== undefined;
    return send(isCopy ? { ...request, headers: without(request.headers ?? {}, 'x-amz-metadata-directive') } : request);
  },
  'a delete that does nothing': async (request, send) => {
    if (request.method !== 'DELETE' || (request.query ?? []).length > 0 || request.key === undefined)
      return send(request);
    return send({ ...request, key: 'another key' });
  },
};

async function openSpoilt(flaw: Flaw): Promise<Twin> {
  const stores = [await temporaryStore(), await temporaryStore()] as const;
  const spoilt: Backend = {
    description: 'spoilt',
    send: (request) => flaw(request, (next) => stores[1].backend.send(next)),
    close: () => stores[1].backend.close(),
  };
  const servers = [
    await serveBare(stores[0].backend, { checksums: [] }),
    await serveBare(spoilt, { checksums: [] }),
  ] as const;
  const credentials = { accessKeyId: 'anybody', secretAccessKey: 'anything' };
  const side = (index: 0 | 1) => ({ endpoint: servers[index].endpoint, credentials });
  return twinOf({
    store: 'embedded',
    bare: side(0),
    proxy: side(1),
    async close() {
      for (const server of servers) await server.close();
      for (const store of stores) await store.close();
    },
  });
}

/** Requests within which each planted defect has to show. */
const WITHIN = 1500;

describe('planted defects', () => {
  it.each(Object.entries(FLAWS))('%s: found, and shrunk to a few steps', async (_name, flaw) => {
    const twin = await openSpoilt(flaw);
    try {
      for (let seed = 1; twin.ledger.requests < WITHIN; seed++) {
        const sequence = randomSequence(seed, twin.store);
        const { unexplained } = await twin.run(sequence);
        const [first] = unexplained;
        if (first === undefined) continue;
        const found = await smallest(twin, sequence, first);
        expect(found.steps.length).toBeLessThanOrEqual(6);
        return;
      }
      throw new Error(`not found within ${WITHIN} requests`);
    } finally {
      await twin.close();
    }
  });

  it('without one there is no difference', async () => {
    const twin = await openSpoilt((request, send) => send(request));
    try {
      for (let seed = 1; twin.ledger.requests < WITHIN; seed++) {
        expect((await twin.run(randomSequence(seed, twin.store))).unexplained).toEqual([]);
      }
    } finally {
      await twin.close();
    }
  });
});
