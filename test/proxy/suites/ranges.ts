/**
 * Every form of range at every boundary gives the slice of the plaintext that S3 would give, and only the needed bytes come
 * from the backend (RFC 9110 section 14; seen elsewhere: ranges applied twice, open ends wrong, hangs beyond the end).
 */

import { randomBytes } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { SEALED_SEGMENT_BYTES, SEGMENT_BYTES } from '../../../crypto/layout.ts';
import type { Bench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { objectPath, type RawReply } from '../../helpers/raw-client.ts';

const SIZES = {
  empty: 0,
  tiny: 1,
  segment: SEGMENT_BYTES,
  small: 3 * SEGMENT_BYTES + 77,
  large: MiB + SEGMENT_BYTES + 5,
};
type Kind = keyof typeof SIZES;
const KINDS = Object.keys(SIZES) as Kind[];

export function ranges(bench: () => Bench): void {
  const bodies = new Map<Kind, Buffer>();
  const pathOf = (kind: Kind) => objectPath(bench().bucket, `ranges/${kind}`);
  const bodyOf = (kind: Kind) => bodies.get(kind) ?? Buffer.alloc(0);
  const get = (kind: Kind, range: string, method = 'GET'): Promise<RawReply> =>
    bench().send({ method, path: pathOf(kind), headers: [['range', range]] });

  beforeAll(async () => {
    const { s3, bucket } = bench();
    for (const kind of KINDS) {
      const body = randomBytes(SIZES[kind]);
      bodies.set(kind, body);
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: `ranges/${kind}`, Body: body }));
    }
  });

  test.each(['small', 'large'] as const)('boundaries of segments of a %s object', async (kind) => {
    const body = bodyOf(kind);
    const edges = [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, body.length - 1];
    let compared = 0;
    for (const start of edges) {
      for (const end of edges.filter((edge) => edge >= start)) {
        const reply = await get(kind, `bytes=${start}-${end}`);
        expect([reply.status, reply.headers['content-range']]).toEqual([206, `bytes ${start}-${end}/${body.length}`]);
        expect(reply.body.equals(body.subarray(start, end + 1)), `${start}-${end}`).toBe(true);
        compared++;
      }
    }
    expect(compared).toBe(21);
  });

  test('any range of any object equals the slice that RFC 9110 names', async () => {
    const kind = fc.constantFrom<Kind>('tiny', 'segment', 'small', 'large');
    const form = fc.constantFrom('closed', 'open', 'suffix');
    const share = fc.double({ min: 0, max: 1.2, noNaN: true });
    await fc.assert(
      fc.asyncProperty(kind, form, share, share, async (of, how, one, two) => {
        const body = bodyOf(of);
        const [first, last] = [
          Math.floor(Math.min(one, two) * body.length),
          Math.floor(Math.max(one, two) * body.length),
        ];
        const text = how === 'closed' ? `${first}-${last}` : how === 'open' ? `${first}-` : `-${last}`;
        const reply = await get(of, `bytes=${text}`);
        const wanted =
          how === 'suffix'
            ? body.subarray(-last || body.length)
            : body.subarray(first, how === 'open' ? undefined : last + 1);
        if (wanted.length === 0) {
          expect([reply.status, reply.code]).toEqual([416, 'InvalidRange']);
        } else {
          expect([reply.status, reply.body.equals(wanted)]).toEqual([206, true]);
          expect(reply.headers['content-length']).toBe(String(wanted.length));
        }
      }),
      { numRuns: 40 },
    );
  });

  test.each(['tiny', 'small', 'large'] as const)(
    'beyond the end of a %s object: 416 with the size, at once',
    async (kind) => {
      const size = SIZES[kind];
      for (const range of [`bytes=${size}-`, `bytes=${size}-${size + 5}`, 'bytes=-0', 'bytes=99999999999999999999-']) {
        const reply = await get(kind, range);
        expect([reply.status, reply.code, reply.headers['content-range']]).toEqual([
          416,
          'InvalidRange',
          `bytes */${size}`,
        ]);
        expect(reply.body.toString()).toContain(`<ActualObjectSize>${size}</ActualObjectSize>`);
      }
      const past = await get(kind, `bytes=0-${'9'.repeat(25)}`);
      expect([past.status, past.body.equals(bodyOf(kind))]).toEqual([206, true]);
    },
  );

  test('an empty object has no range: 416; its end is all of it, and without a range it is whole', async () => {
    for (const range of ['bytes=0-', 'bytes=0-0', 'bytes=-0']) {
      expect([range, (await get('empty', range)).status]).toEqual([range, 416]);
      expect([range, (await get('empty', range, 'HEAD')).status]).toEqual([range, 416]);
    }
    for (const range of ['bytes=-1', 'bytes=-65536', `bytes=-${'9'.repeat(25)}`]) {
      for (const method of ['GET', 'HEAD'] as const) {
        const tail = await get('empty', range, method);
        const { 'content-length': length, 'content-range': contentRange } = tail.headers;
        expect([range, tail.status, tail.body.length, length, contentRange]).toEqual([range, 200, 0, '0', undefined]);
      }
    }
    const whole = await bench().send({ method: 'GET', path: pathOf('empty') });
    expect([whole.status, whole.body.length, whole.headers['content-length']]).toEqual([200, 0, '0']);
  });

  test('what cannot be parsed, several ranges and other units mean the whole object', async () => {
    const malformed = [
      'bytes=',
      'bytes=-',
      'bytes=5-2',
      'bytes=a-b',
      'bytes 0-4',
      'items=0-4',
      'bytes=0-1,3-4',
      '0-4',
      ' ',
    ];
    for (const range of malformed) {
      const reply = await get('small', range);
      expect([range, reply.status, reply.body.equals(bodyOf('small'))]).toEqual([range, 200, true]);
    }
  });

  test.each(['small', 'large'] as const)('HEAD of a range of a %s object', async (kind) => {
    const size = SIZES[kind];
    const reply = await get(kind, 'bytes=10-19', 'HEAD');
    expect([reply.status, reply.headers['content-length'], reply.headers['content-range']]).toEqual([
      206,
      '10',
      `bytes 10-19/${size}`,
    ]);
  });

  test('partNumber=1 is the whole of an object stored by one PUT; other numbers are refused', async () => {
    const { send } = bench();
    for (const kind of ['small', 'large'] as const) {
      for (const method of ['GET', 'HEAD']) {
        const one = await send({ method, path: pathOf(kind), query: 'partNumber=1' });
        expect([one.status, one.headers['content-range']]).toEqual([206, `bytes 0-${SIZES[kind] - 1}/${SIZES[kind]}`]);
        if (method === 'GET') expect(one.body.equals(bodyOf(kind))).toBe(true);
        expect((await send({ method, path: pathOf(kind), query: 'partNumber=2' })).status).toBe(416);
      }
      for (const bad of ['0', '10001', 'x', '-1']) {
        const refused = await send({ method: 'GET', path: pathOf(kind), query: `partNumber=${bad}` });
        expect([refused.status, refused.code]).toEqual([400, 'InvalidArgument']);
      }
    }
    expect((await send({ method: 'GET', path: pathOf('empty'), query: 'partNumber=1' })).status).toBe(200);
    const both = await send({
      method: 'GET',
      path: pathOf('small'),
      query: 'partNumber=1',
      headers: [['range', 'bytes=0-1']],
    });
    expect([both.status, both.code]).toEqual([400, 'InvalidRequest']);
  });

  describe('If-Range', () => {
    test('applies the range while the validator holds, and sends the whole object otherwise', async () => {
      const { send } = bench();
      const path = pathOf('small');
      const head = await send({ method: 'HEAD', path });
      const [etag, modified] = [String(head.headers['etag']), String(head.headers['last-modified'])];
      const cases = [
        [etag, 206],
        [`"${'0'.repeat(32)}"`, 200],
        [`W/${etag}`, 200],
        ['*', 200],
        [modified, 206],
        ['Thu, 01 Jan 1970 00:00:00 GMT', 200],
        ['Tue, 01 Jan 2199 00:00:00 GMT', 200],
        ['nonsense', 200],
      ] as const;
      for (const [validator, status] of cases) {
        const reply = await send({
          method: 'GET',
          path,
          headers: [
            ['range', 'bytes=0-4'],
            ['if-range', validator],
          ],
        });
        expect([validator, reply.status]).toEqual([validator, status]);
      }
    });
  });

  test('no more than two segments over what was asked for comes from the backend', async () => {
    const { watch } = bench();
    let compared = 0;
    for (const [start, length] of [
      [0, 1],
      [SEGMENT_BYTES - 1, 2],
      [SEGMENT_BYTES, SEGMENT_BYTES],
      [5 * SEGMENT_BYTES + 9, 300_000],
    ] as const) {
      const { result, requests } = await watch(() => get('large', `bytes=${start}-${start + length - 1}`));
      expect(result.body.length).toBe(length);
      const bodies = requests.filter(
        ({ method, headers }) => method === 'GET' && !headers['range']?.startsWith(`bytes=${SIZES.large - 8192}`),
      );
      const read = Math.max(...bodies.map(({ readBytes }) => readBytes));
      expect(read).toBeGreaterThanOrEqual(length);
      expect(read).toBeLessThanOrEqual(length + 2 * SEALED_SEGMENT_BYTES + 48);
      compared++;
    }
    expect(compared).toBe(4);
  });
}
