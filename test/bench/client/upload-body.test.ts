// Protects: that the four kinds of body are sent as clients send them: announced lengths exact, framing that opens to the
// plaintext. What Sealgate itself makes of them is checked before every load.
import { describe, expect, test } from 'vitest';
import { unframe } from '../sink/objects.ts';
import type { Endpoint } from './signed-request.ts';
import { type BodyKind, framedBytes, upload } from './upload-body.ts';

const ENDPOINT: Endpoint = {
  address: { host: '127.0.0.1', port: 1, tls: false },
  authority: '127.0.0.1:1',
  credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
  region: 'us-east-1',
  bucket: 'bucket',
};
const SIZES = [0, 1, 65_535, 65_536, 65_537, 200_000];
const KINDS: readonly BodyKind[] = ['unsigned', 'sha256', 'signed-chunks', 'unsigned-trailer'];

describe.each(KINDS)('%s', (kind) => {
  test.each(SIZES)('announces the bytes that follow, for a body of %i', (size) => {
    const body = Buffer.alloc(size, 'ab');
    const [head = Buffer.alloc(0), ...rest] = upload(ENDPOINT, { key: 'a key', body, kind });
    const text = head.toString('latin1');
    const sent = Buffer.concat(rest);
    expect(text).toMatch(/^PUT \/bucket\/a%20key HTTP\/1\.1\r\n/);
    expect(text.endsWith('\r\n\r\n')).toBe(true);
    expect(Number(/\r\ncontent-length: (\d+)/.exec(text)?.[1])).toBe(sent.length);
    const isFramed = kind === 'signed-chunks' || kind === 'unsigned-trailer';
    expect((isFramed ? unframe(sent) : sent).equals(body)).toBe(true);
    if (isFramed) expect(text).toContain(`x-amz-decoded-content-length: ${size}\r\n`);
  });
});

test('the length of framing is that of chunks with their lines', () => {
  // 10000\r\n + 65,536 + \r\n, then 0\r\n
  expect(framedBytes(65_536, 0)).toBe(7 + 65_536 + 2 + 3);
  expect(framedBytes(0, 0)).toBe(3);
  expect(framedBytes(1, 80)).toBe(83 + 1 + 2 + 83);
});
