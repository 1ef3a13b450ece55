/** Objects between the small and the large ones: 16 KiB at 32 connections, and 1 MiB, the largest body that is sent in one piece, at 8. */
import { KiB, MiB } from '../../helpers/bytes.ts';
import { expectStatus } from '../client/ask.ts';
import { Connection } from '../client/connection.ts';
import type { Operation } from '../client/drive.ts';
import { comparePiece, largeBody } from '../client/plaintext.ts';
import { type Endpoint, signedHead } from '../client/signed-request.ts';
import { upload } from '../client/upload-body.ts';
import { checkObject, checkUpload, type Load, type Seed } from './load.ts';

/** Objects that are read; requests that are signed beforehand. */
const OBJECTS = 16;

interface Medium {
  /** As in the names of loads and objects. */
  readonly name: '16k' | '1m';
  readonly bytes: number;
  readonly connections: number;
  readonly measure: Load['measure'];
}

const SIZES: readonly Medium[] = [
  { name: '16k', bytes: 16 * KiB, connections: 32, measure: 'rate' },
  { name: '1m', bytes: MiB, connections: 8, measure: 'throughput' },
];

const keyOf = ({ name }: Medium, index: number) => `kept/${name}-${index}`;
/** Each is another stretch of one large body. */
const bodyOf = ({ bytes }: Medium, index: number) => largeBody(0).subarray(index * 4096, index * 4096 + bytes);
const titleOf = (what: string, { bytes, connections }: Medium) => {
  const size = bytes < MiB ? `${bytes / KiB} KiB` : `${bytes / MiB} MiB`;
  return `${what} ${size}, ${connections} connections`;
};
const loadName = (what: string, { name, connections }: Medium) => `${what}-${name}${connections === 8 ? '-8' : ''}`;

function objects(size: Medium): Seed {
  return {
    name: `objects of ${size.bytes} bytes`,
    async store(endpoint) {
      const connection = new Connection(endpoint.address);
      for (let i = 0; i < OBJECTS; i++) {
        const send = upload(endpoint, { key: keyOf(size, i), body: bodyOf(size, i), kind: 'unsigned' });
        expectStatus(await connection.exchange({ send }), [200], `PUT ${keyOf(size, i)}`);
      }
      connection.close();
    },
  };
}

function put(size: Medium): Load {
  const { bytes, connections, measure } = size;
  return {
    name: loadName('put', size),
    title: `${titleOf('PUT', size)}, unsigned payload`,
    transport: 'http',
    connections,
    measure,
    least: 1,
    seeds: [],
    operation: (endpoint) => putOperation(endpoint, size, bytes),
    check: (endpoint) => {
      const [key, body] = [`kept/check-${size.name}`, bodyOf(size, 3)];
      return checkUpload(endpoint, key, upload(endpoint, { key, body, kind: 'unsigned' }), body);
    },
  };
}

function putOperation(endpoint: Endpoint, size: Medium, bytes: number): Operation {
  const requests = Array.from({ length: OBJECTS }, (_, i) =>
    upload(endpoint, { key: `drop/${size.name}-${i}`, body: bodyOf(size, i), kind: 'unsigned' }),
  );
  return async (connection, turn) => {
    expectStatus(await connection.exchange({ send: pick(requests, turn) }), [200], 'PUT');
    return bytes;
  };
}

function get(size: Medium): Load {
  const { connections, measure } = size;
  return {
    name: loadName('get', size),
    title: titleOf('GET', size),
    transport: 'http',
    connections,
    measure,
    least: 1,
    seeds: [objects(size)],
    operation: (endpoint) => getOperation(endpoint, size),
    check: (endpoint) => checkObject(endpoint, keyOf(size, 5), [bodyOf(size, 5)]),
  };
}

function getOperation(endpoint: Endpoint, size: Medium): Operation {
  const requests = Array.from({ length: OBJECTS }, (_, i) => ({
    send: [signedHead(endpoint, { method: 'GET', key: keyOf(size, i) }).head],
    onBody: (piece: Buffer, offset: number) => comparePiece(piece, offset, bodyOf(size, i)),
  }));
  return async (connection, turn) => {
    const answer = await connection.exchange(pick(requests, turn));
    expectStatus(answer, [200], 'GET');
    if (answer.bytes !== size.bytes) throw new Error(`GET: ${answer.bytes} bytes`);
    return size.bytes;
  };
}

/** Each connection walks over all requests, from a place of its own. */
function pick<T>(requests: readonly T[], turn: { worker: number; count: number }): T {
  const found = requests[(turn.worker * 3 + turn.count) % requests.length];
  if (found === undefined) throw new Error('there is no request');
  return found;
}

export const mediumLoads: readonly Load[] = SIZES.flatMap((size) => [put(size), get(size)]);
