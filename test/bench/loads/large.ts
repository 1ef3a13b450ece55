/** Large objects: whole PUTs and GETs of 64 MiB. */
import { expectStatus } from '../client/ask.ts';
import { Connection } from '../client/connection.ts';
import type { Operation } from '../client/drive.ts';
import { comparePiece, LARGE_BYTES, largeBody } from '../client/plaintext.ts';
import { type Endpoint, signedHead } from '../client/signed-request.ts';
import { type BodyKind, upload } from '../client/upload-body.ts';
import { checkObject, checkUpload, type FloorPart, type Load, type Seed } from './load.ts';

const MOST_STREAMS = 8;
const largeKey = (index: number) => `kept/64m-${index}`;

const largeObjects: Seed = {
  name: 'large objects',
  async store(endpoint) {
    const connection = new Connection(endpoint.address);
    for (let i = 0; i < MOST_STREAMS; i++) {
      const send = upload(endpoint, { key: largeKey(i), body: largeBody(i), kind: 'unsigned' });
      expectStatus(await connection.exchange({ send }), [200], `PUT ${largeKey(i)}`);
    }
    connection.close();
  },
};

const PUT_FLOOR: Readonly<Record<BodyKind, readonly FloorPart[]>> = {
  unsigned: ['seal', 'md5'],
  sha256: ['seal', 'md5', 'sha256'],
  'signed-chunks': ['seal', 'md5', 'sha256'],
  'unsigned-trailer': ['seal', 'md5'],
};

interface LargeOptions {
  readonly streams: number;
  readonly transport?: 'tls' | 'tls-store';
}

const suffixOf = ({ transport }: LargeOptions) => (transport === undefined ? '' : `-${transport}`);
const titleOf = ({ transport }: LargeOptions) =>
  transport === undefined ? '' : transport === 'tls' ? ', TLS' : ', TLS to the store';

export function putLarge(o: LargeOptions & { readonly kind: BodyKind }): Load {
  const suffix = o.kind === 'unsigned' ? '' : `-${o.kind}`;
  return {
    name: `put-64m-${o.streams}${suffix}${suffixOf(o)}`,
    title: `PUT 64 MiB, ${streams(o.streams)}, ${BODY_TITLES[o.kind]}${titleOf(o)}`,
    transport: o.transport ?? 'http',
    connections: o.streams,
    measure: 'throughput',
    least: 1,
    seeds: [],
    floor: PUT_FLOOR[o.kind],
    operation: (endpoint) => putOperation(endpoint, o.streams, o.kind),
    check: (endpoint) => {
      const [key, body] = ['kept/check', largeBody(9)];
      return checkUpload(endpoint, key, upload(endpoint, { key, body, kind: o.kind }), body);
    },
  };
}

const BODY_TITLES: Readonly<Record<BodyKind, string>> = {
  unsigned: 'unsigned payload',
  sha256: 'hex SHA-256',
  'signed-chunks': 'signed chunks',
  'unsigned-trailer': 'unsigned trailer, CRC32',
};

const streams = (count: number) => `${count} stream${count === 1 ? '' : 's'}`;

function putOperation(endpoint: Endpoint, count: number, kind: BodyKind): Operation {
  const requests = Array.from({ length: count }, (_, i) =>
    upload(endpoint, { key: `drop/64m-${i}`, body: largeBody(i), kind }),
  );
  return async (connection, { worker }) => {
    expectStatus(await connection.exchange({ send: requests[worker] ?? [] }), [200], 'PUT');
    return LARGE_BYTES;
  };
}

export function getLarge(o: LargeOptions): Load {
  return {
    name: `get-64m-${o.streams}${suffixOf(o)}`,
    title: `GET 64 MiB, ${streams(o.streams)}${titleOf(o)}`,
    transport: o.transport ?? 'http',
    connections: o.streams,
    measure: 'throughput',
    least: 1,
    seeds: [largeObjects],
    floor: ['open'],
    operation: (endpoint) => getOperation(endpoint, o.streams),
    check: (endpoint) => checkObject(endpoint, largeKey(3), [largeBody(3)]),
  };
}

function getOperation(endpoint: Endpoint, count: number): Operation {
  const requests = Array.from({ length: count }, (_, i) => ({
    send: [signedHead(endpoint, { method: 'GET', key: largeKey(i) }).head],
    onBody: (piece: Buffer, offset: number) => comparePiece(piece, offset, largeBody(i)),
  }));
  return async (connection, { worker }) => {
    const request = requests[worker];
    if (request === undefined) throw new Error('no such stream');
    const answer = await connection.exchange(request);
    expectStatus(answer, [200], 'GET');
    if (answer.bytes !== LARGE_BYTES) throw new Error(`GET: ${answer.bytes} bytes`);
    return LARGE_BYTES;
  };
}
