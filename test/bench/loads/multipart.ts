/** One object of 1 GiB in 16 parts: uploading it, and reading 64 KiB from anywhere in it. */

import { randomInt } from 'node:crypto';
import { MiB } from '../../helpers/bytes.ts';
import { expectStatus } from '../client/ask.ts';
import { Connection } from '../client/connection.ts';
import type { Operation } from '../client/drive.ts';
import { PARTS_AT_ONCE, uploadInParts } from '../client/multipart.ts';
import { comparePiece, LARGE_BYTES, largeBody } from '../client/plaintext.ts';
import { type Endpoint, signedHead } from '../client/signed-request.ts';
import { checkObject, type Load, type Seed } from './load.ts';

const PARTS = 16;
const OBJECT_BYTES = PARTS * LARGE_BYTES;
const KEY = 'kept/1g';
const RANGE_BYTES = 64 * 1024;
const RANGE_CONNECTIONS = 8;
/** Ranges signed beforehand. */
const RANGES = 256;

const parts = () => Array.from({ length: PARTS }, (_, index) => largeBody(index));

const largestObject: Seed = {
  name: 'object of 1 GiB',
  store: (endpoint) => uploadInParts(endpoint, { key: KEY, parts: parts() }),
};

export const multipartUpload: Load = {
  name: 'multipart-1g',
  title: `multipart upload of 1 GiB, ${PARTS} parts, ${PARTS_AT_ONCE} at once`,
  transport: 'http',
  connections: 1,
  streams: PARTS_AT_ONCE,
  measure: 'throughput',
  least: 1,
  seeds: [],
  floor: ['seal', 'md5'],
  operation: (endpoint) => async () => {
    await uploadInParts(endpoint, { key: 'drop/1g', parts: parts() });
    return OBJECT_BYTES;
  },
  async check(endpoint) {
    // A last part of one byte, and parts of different sizes.
    const [key, pieces] = [
      'kept/check-parts',
      [largeBody(1).subarray(0, 5 * MiB), largeBody(2).subarray(0, 6 * MiB + 1), largeBody(3).subarray(0, 1)],
    ];
    await uploadInParts(endpoint, { key, parts: pieces });
    await checkObject(endpoint, key, pieces);
  },
};

export const rangedReads: Load = {
  name: 'range-64k',
  title: `GET of 64 KiB anywhere in 1 GiB, ${RANGE_CONNECTIONS} connections`,
  transport: 'http',
  connections: RANGE_CONNECTIONS,
  measure: 'rate',
  least: 1,
  seeds: [largestObject],
  operation: rangeOperation,
  async check(endpoint) {
    // From the last bytes of one part into the next, and the end of the object.
    const connection = new Connection(endpoint.address);
    try {
      for (const start of [7 * LARGE_BYTES - 100, OBJECT_BYTES - RANGE_BYTES, 0]) {
        const expected = plaintextAt(start);
        const found = Buffer.alloc(RANGE_BYTES);
        const request = { ...rangeRequest(endpoint, start), onBody: (p: Buffer, at: number) => p.copy(found, at) };
        expectStatus(await connection.exchange(request), [206], 'ranged GET');
        if (!found.equals(expected)) throw new Error(`a range at ${start} has other bytes`);
      }
    } finally {
      connection.close();
    }
  },
};

function rangeRequest(endpoint: Endpoint, start: number) {
  const range = ['range', `bytes=${start}-${start + RANGE_BYTES - 1}`] as const;
  return { send: [signedHead(endpoint, { method: 'GET', key: KEY, headers: [range] }).head] };
}

function rangeOperation(endpoint: Endpoint): Operation {
  const requests = Array.from({ length: RANGES }, () => {
    const start = randomInt(OBJECT_BYTES - RANGE_BYTES + 1);
    const expected = plaintextAt(start);
    const onBody = (piece: Buffer, offset: number) => comparePiece(piece, offset, expected);
    return { ...rangeRequest(endpoint, start), onBody };
  });
  return async (connection, { worker, count }) => {
    const request = requests[(worker * (RANGES / RANGE_CONNECTIONS) + count) % RANGES];
    if (request === undefined) throw new Error('there is no request');
    const answer = await connection.exchange(request);
    expectStatus(answer, [206], 'ranged GET');
    if (answer.bytes !== RANGE_BYTES) throw new Error(`ranged GET: ${answer.bytes} bytes`);
    return RANGE_BYTES;
  };
}

/** RANGE_BYTES from an offset of the object, which may lie in two parts. */
function plaintextAt(start: number): Buffer {
  const part = Math.floor(start / LARGE_BYTES);
  const at = start % LARGE_BYTES;
  const first = largeBody(part).subarray(at, at + RANGE_BYTES);
  return Buffer.concat([first, largeBody(part + 1).subarray(0, RANGE_BYTES - first.length)]);
}
