// Protects: real requests of the AWS SDK for JavaScript over a socket, verified as node:http hands them over: raw targets and
// headers of awkward keys and metadata, buffers and streams, and each checksum algorithm the SDK can send.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChecksumName, createHasher } from '../../../proxy/body/checksums.ts';
import { openBody } from '../../../proxy/body/verified-body.ts';
import { parseClaim } from '../../../sigv4/parse.ts';
import { verifyRequest } from '../../../sigv4/verify.ts';
import { ACCESS_KEY_ID, SECRET, signingSecret } from '../../helpers/sign-request.ts';

interface Received {
  readonly target: string;
  readonly payload: string;
  readonly body: Buffer;
  readonly checksums: readonly { readonly algorithm: ChecksumName; readonly value: Buffer }[];
}

async function receive(incoming: IncomingMessage): Promise<Received> {
  const [path = '', query = ''] = (incoming.url ?? '').split('?');
  const raw = incoming.rawHeaders;
  const headers = raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1] ?? ''] as const] : []));
  const request = { method: incoming.method ?? '', path, query, headers };
  const verified = verifyRequest(request, parseClaim(request), { signingSecret: signingSecret(), now: new Date() });
  if (incoming.method !== 'PUT') {
    return { target: path, payload: verified.payload.kind, body: Buffer.alloc(0), checksums: [] };
  }
  const header = (name: string) => incoming.headers[name]?.toString();
  const opened = openBody({ source: incoming, header, verified });
  const slices: Buffer[] = [];
  for await (const slice of opened.chunks) slices.push(slice);
  const { checksums } = opened.result();
  return { target: path, payload: verified.payload.kind, body: Buffer.concat(slices), checksums };
}

let server: Server;
let client: S3Client;
let last: Received | Error | undefined;

beforeAll(async () => {
  server = createServer(async (incoming, outgoing) => {
    try {
      last = await receive(incoming);
      outgoing.setHeader('ETag', '"x"').end();
    } catch (error) {
      last = error as Error;
      outgoing.writeHead(400).end();
    }
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  client = new S3Client({
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET },
  });
});

afterAll(async () => {
  client.destroy();
  await new Promise((closed) => server.close(closed));
});

function received(): Received {
  if (last === undefined || last instanceof Error) throw last ?? new Error('nothing arrived');
  return last;
}

const PAYLOAD = Buffer.from('0123456789abcdef'.repeat(20_000));
const KEYS = ['plain.txt', 'a b+c%d', 'ünï/木/😀', 'a//b/./../c/', "x'()*!~;:@&=$,?#[]", '..', '%2F%25'];

describe('the AWS SDK for JavaScript', () => {
  it.each(KEYS)('puts and gets %j', async (key) => {
    await client.send(
      new PutObjectCommand({
        Bucket: 'bucket',
        Key: key,
        Body: PAYLOAD,
        Metadata: { note: 'two  spaces, a comma' },
        ContentType: 'text/plain; charset=utf-8',
      }),
    );
    expect(received().payload).toBe('sha256');
    expect(received().body.equals(PAYLOAD)).toBe(true);
    const target = received().target.split('/').slice(2).map(decodeURIComponent).join('/');
    expect(target).toBe(key);
    await client.send(new GetObjectCommand({ Bucket: 'bucket', Key: key, Range: 'bytes=0-9', VersionId: 'a+b/c=' }));
    expect(received().payload).toBe('sha256');
  });

  const ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;

  it.each(ALGORITHMS)('puts a buffer and a stream with %s', async (algorithm) => {
    const hasher = createHasher(algorithm);
    hasher.update(PAYLOAD);
    const checksums = [{ algorithm, value: hasher.digest() }];

    const buffer = { Bucket: 'bucket', Key: 'buffer', Body: PAYLOAD, ChecksumAlgorithm: algorithm };
    await client.send(new PutObjectCommand(buffer));
    expect(received()).toMatchObject({ payload: 'sha256', checksums });

    const Body = Readable.from([PAYLOAD.subarray(0, 100_000), PAYLOAD.subarray(100_000)]);
    const stream = { Bucket: 'bucket', Key: 'stream', Body, ContentLength: PAYLOAD.length };
    await client.send(new PutObjectCommand({ ...stream, ChecksumAlgorithm: algorithm }));
    expect(received()).toMatchObject({ payload: 'unsigned-trailer', checksums });
    expect(received().body.equals(PAYLOAD)).toBe(true);
  });
});
