/**
 * Clients that go away, in every phase of a request, also behind others on one connection: the memory that was reserved for them
 * comes back, and so does what the backend was about to send. A reservation that stays would cost every tenant some of the
 * budget until the process is started again.
 */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { MemoryBudget } from '../../proxy/memory/admission.ts';
import { type Bench, openBench } from '../helpers/bench.ts';
import { MiB } from '../helpers/bytes.ts';
import { FORM_TYPE, formBody, signedFields } from '../helpers/form.ts';
import {
  type Header,
  headText,
  objectPath,
  RawConnection,
  type RawRequest,
  signHeaders,
} from '../helpers/raw-client.ts';

const ROUNDS = 4;

let bench: Bench;
let memory: MemoryBudget | undefined;
/** Requests that the backend was asked for and does not answer before they are given up. */
let held = 0;

beforeAll(async () => {
  const reserve = MemoryBudget.prototype.reserve;
  vi.spyOn(MemoryBudget.prototype, 'reserve').mockImplementation(function (this: MemoryBudget, ...claim) {
    memory = this;
    return reserve.apply(this, claim);
  });
  bench = await openBench();
  await bench.send({ method: 'PUT', path: objectPath(bench.bucket, 'large'), body: randomBytes(16 * MiB) });
});
afterAll(async () => {
  vi.restoreAllMocks();
  await bench.close();
});
afterEach(() => {
  bench.backend.intercept = (request, next) => next(request);
});

const large = () => objectPath(bench.bucket, 'large');
const host = () => new URL(bench.proxy.endpoint).host;
const reserved = () => memory?.reserved ?? Number.NaN;

function signed(request: RawRequest, ...more: Header[]): Buffer {
  const headers = [...signHeaders(request, bench.tenant, host()), ...more];
  const query = request.query === undefined ? '' : `?${request.query}`;
  return headText({ method: request.method, target: request.path + query, headers });
}

/** The store is silent from now on. */
function hold(): void {
  held = 0;
  bench.backend.intercept = (request) =>
    new Promise((_, reject) => {
      held += 1;
      request.signal?.addEventListener('abort', () => reject(request.signal?.reason), { once: true });
    });
}

const put = (path: string, bytes: number, ...more: Header[]) =>
  signed({ method: 'PUT', path, payload: 'UNSIGNED-PAYLOAD' }, ['content-length', String(bytes)], ...more);
const unread = (path: string) => signed({ method: 'GET', path });

/** What is sent, and what shows that the phase has begun. */
const PHASES: Readonly<Record<string, (to: RawConnection) => Promise<void>>> = {
  'before the body of a PUT': async (to) => {
    to.write(put(objectPath(bench.bucket, 'gone'), MiB, ['expect', '100-continue']));
    await to.until(/ 100 Continue/);
  },
  'in the middle of a small body': async (to) => {
    to.write(Buffer.concat([put(objectPath(bench.bucket, 'gone'), MiB), randomBytes(MiB / 2)]));
    await expect.poll(reserved).toBeGreaterThan(0);
  },
  'in the middle of a large body': async (to) => {
    to.write(Buffer.concat([put(objectPath(bench.bucket, 'gone'), 8 * MiB), randomBytes(5 * MiB)]));
    await expect.poll(reserved).toBeGreaterThan(0);
  },
  'in the middle of a form': async (to) => {
    const fields = Object.entries(signedFields(bench.tenant, { bucket: bench.bucket, fields: { key: 'form' } }));
    const whole = formBody(fields, { fileName: 'f', content: randomBytes(3 * MiB) });
    const headers: Header[] = [
      ['host', host()],
      ['content-type', FORM_TYPE],
      ['content-length', String(whole.length)],
    ];
    to.write(headText({ method: 'POST', target: `/${bench.bucket}`, headers }));
    to.write(whole.subarray(0, 2 * MiB));
    await expect.poll(reserved).toBeGreaterThan(0);
  },
  'in the middle of a reply': async (to) => {
    to.socket.pause();
    to.write(unread(large()));
    await expect.poll(() => bench.backend.openBodies).toBeGreaterThan(0);
  },
  'with requests behind the one that is answered': async (to) => {
    to.socket.pause();
    to.write(Buffer.concat(Array.from({ length: 4 }, () => unread(large()))));
    await expect.poll(reserved).toBeGreaterThan(6 * MiB);
  },
  'while the backend is silent about a GET': async (to) => {
    hold();
    to.write(unread(large()));
    await expect.poll(() => held).toBe(1);
  },
  'while the backend is silent about a page of a listing': async (to) => {
    hold();
    to.write(signed({ method: 'GET', path: `/${bench.bucket}`, query: 'list-type=2' }));
    await expect.poll(() => held).toBe(1);
  },
  'while the backend is silent about a copy': async (to) => {
    hold();
    const headers: Header[] = [['x-amz-copy-source', large()]];
    to.write(signed({ method: 'PUT', path: objectPath(bench.bucket, 'copy'), headers }, ['content-length', '0']));
    await expect.poll(() => held).toBe(1);
  },
  'while the backend is silent about two requests of one connection': async (to) => {
    hold();
    to.write(Buffer.concat([unread(large()), signed({ method: 'HEAD', path: large() })]));
    await expect.poll(() => held).toBe(2);
  },
};

describe('a client that goes away', () => {
  test.each(Object.keys(PHASES))('%s gives everything back', async (name) => {
    for (let round = 0; round < ROUNDS; round++) {
      const connection = await RawConnection.open(bench.proxy.endpoint);
      await PHASES[name]?.(connection);
      expect(reserved()).toBeGreaterThan(0);
      const closed = once(connection.socket, 'close');
      connection.close();
      await closed;
      await expect.poll(reserved).toBe(0);
      await expect.poll(() => bench.backend.openBodies).toBe(0);
    }
    expect(memory?.waiting).toBe(0);
  });

  test('is no error of ours in the log: 499, without a code', () => {
    const gone = bench.proxy.log.filter(({ msg, status }) => msg === 'request' && status === 499);
    expect(gone.length).toBeGreaterThan(ROUNDS);
    expect(gone.map(({ code }) => code).filter((code) => code !== undefined)).toEqual([]);
  });

  test('leaves nothing stored', async () => {
    for (const key of ['gone', 'form', 'copy']) {
      expect((await bench.send({ method: 'HEAD', path: objectPath(bench.bucket, key) })).status, key).toBe(404);
    }
  });
});
