/** Small objects: PUT, GET and HEAD of 4 KiB at 32 connections. */
import { expectStatus } from '../client/ask.ts';
import { Connection } from '../client/connection.ts';
import { drive, type Operation } from '../client/drive.ts';
import { comparePiece, SMALL_BYTES, smallBody } from '../client/plaintext.ts';
import { type Endpoint, signedHead } from '../client/signed-request.ts';
import { upload } from '../client/upload-body.ts';
import { checkObject, checkUpload, type Load, type Seed } from './load.ts';

const CONNECTIONS = 32;
/** Objects that are read; requests that are signed beforehand. */
const OBJECTS = 256;
const smallKey = (index: number) => `kept/4k-${index}`;

/** Stores objects of 4 KiB under given names. @throws Error when one fails. */
export async function storeSmall(endpoint: Endpoint, o: { count: number; key: (index: number) => string }) {
  const connections = Array.from({ length: CONNECTIONS }, () => new Connection(endpoint.address));
  let next = 0;
  const { errors } = await drive({
    connections,
    milliseconds: 0,
    least: Math.ceil(o.count / CONNECTIONS),
    operation: async (connection) => {
      const index = next;
      next += 1;
      if (index >= o.count) return 0;
      const send = upload(endpoint, { key: o.key(index), body: smallBody(index), kind: 'unsigned' });
      expectStatus(await connection.exchange({ send }), [200], 'PUT');
      return SMALL_BYTES;
    },
  });
  for (const connection of connections) connection.close();
  if (errors[0] !== undefined) throw new Error(`small objects were not stored: ${errors[0]}`);
}

const smallObjects: Seed = {
  name: 'small objects',
  store: (endpoint) => storeSmall(endpoint, { count: OBJECTS, key: smallKey }),
};

const SMALL = { transport: 'http', connections: CONNECTIONS, measure: 'rate', least: 1 } as const;
const title = (what: string) => `${what} 4 KiB, ${CONNECTIONS} connections`;

export const putSmall: Load = {
  ...SMALL,
  name: 'put-4k',
  title: `${title('PUT')}, hex SHA-256`,
  seeds: [],
  operation(endpoint) {
    const requests = Array.from({ length: OBJECTS }, (_, i) => [
      Buffer.concat(upload(endpoint, { key: `drop/4k-${i}`, body: smallBody(i), kind: 'sha256' })),
    ]);
    return async (connection, turn) => {
      expectStatus(await connection.exchange({ send: pick(requests, turn) }), [200], 'PUT');
      return SMALL_BYTES;
    };
  },
  check: (endpoint) => {
    const [key, body] = ['kept/check-4k', smallBody(1000)];
    return checkUpload(endpoint, key, upload(endpoint, { key, body, kind: 'sha256' }), body);
  },
};

export const getSmall: Load = {
  ...SMALL,
  name: 'get-4k',
  title: title('GET'),
  seeds: [smallObjects],
  operation: getOperation,
  check: (endpoint) => checkObject(endpoint, smallKey(7), [smallBody(7)]),
};

export const getSmallOverTls: Load = {
  ...getSmall,
  name: 'get-4k-tls',
  title: `${title('GET')}, TLS`,
  transport: 'tls',
};

function getOperation(endpoint: Endpoint): Operation {
  const requests = Array.from({ length: OBJECTS }, (_, i) => ({
    send: [signedHead(endpoint, { method: 'GET', key: smallKey(i) }).head],
    onBody: (piece: Buffer, offset: number) => comparePiece(piece, offset, smallBody(i)),
  }));
  return async (connection, turn) => {
    const answer = await connection.exchange(pick(requests, turn));
    expectStatus(answer, [200], 'GET');
    if (answer.bytes !== SMALL_BYTES) throw new Error(`GET: ${answer.bytes} bytes`);
    return SMALL_BYTES;
  };
}

export const headSmall: Load = {
  ...SMALL,
  name: 'head-4k',
  title: title('HEAD'),
  seeds: [smallObjects],
  operation(endpoint) {
    const requests = Array.from({ length: OBJECTS }, (_, i) => ({
      send: [signedHead(endpoint, { method: 'HEAD', key: smallKey(i) }).head],
      isHead: true,
    }));
    return async (connection, turn) => {
      const answer = await connection.exchange(pick(requests, turn));
      expectStatus(answer, [200], 'HEAD');
      if (answer.headers.get('content-length') !== String(SMALL_BYTES)) throw new Error('HEAD: wrong size');
      return 0;
    };
  },
  // Every reply's size is looked at.
  check: async () => undefined,
};

/** Each connection walks over all requests, from a place of its own. */
function pick<T>(requests: readonly T[], turn: { worker: number; count: number }): T {
  const found = requests[(turn.worker * 8 + turn.count) % requests.length];
  if (found === undefined) throw new Error('there is no request');
  return found;
}
