/**
 * Conditional requests against the plaintext's ETag: precedence on reads (RFC 9110 section 13.2.2), and writes of which
 * exactly one wins (seen elsewhere: conditions dropped, lock files broken, updates lost). Where the backend cannot decide a write
 * atomically, the answer is 501.
 */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Bench } from '../../helpers/bench.ts';
import { type Header, objectPath } from '../../helpers/raw-client.ts';

const md5 = (data: string): string => createHash('md5').update(data).digest('hex');

const PAST = 'Thu, 01 Jan 2015 00:00:00 GMT';
const FUTURE = 'Tue, 01 Jan 2199 00:00:00 GMT';

export function conditions(bench: () => Bench): void {
  describe('reads', () => reads(bench));
  describe('writes', () => writes(bench));
}

/** Condition headers, and the status of GET and HEAD under them. E stands for the ETag, O for another one. */
const READS: readonly (readonly [conditions: Readonly<Record<string, string>>, status: number])[] = [
  [{ 'if-match': 'E' }, 200],
  [{ 'if-match': 'O' }, 412],
  [{ 'if-match': '*' }, 200],
  [{ 'if-match': 'O, E' }, 200],
  [{ 'if-none-match': 'E' }, 304],
  [{ 'if-none-match': 'W/E' }, 304],
  [{ 'if-none-match': '*' }, 304],
  [{ 'if-none-match': 'O' }, 200],
  [{ 'if-none-match': 'O, E' }, 304],
  [{ 'if-modified-since': PAST }, 200],
  [{ 'if-modified-since': FUTURE }, 304],
  [{ 'if-unmodified-since': PAST }, 412],
  [{ 'if-unmodified-since': FUTURE }, 200],
  [{ 'if-modified-since': 'not a date' }, 200],
  [{ 'if-unmodified-since': 'not a date' }, 200],
  // If-Match beats If-Unmodified-Since, If-None-Match beats If-Modified-Since, and a 412 beats a 304.
  [{ 'if-match': 'E', 'if-unmodified-since': PAST }, 200],
  [{ 'if-match': 'O', 'if-unmodified-since': FUTURE }, 412],
  [{ 'if-none-match': 'O', 'if-modified-since': FUTURE }, 200],
  [{ 'if-none-match': 'E', 'if-modified-since': PAST }, 304],
  [{ 'if-match': 'O', 'if-none-match': 'E' }, 412],
  [{ 'if-match': 'E', 'if-none-match': 'E' }, 304],
  [{ 'if-unmodified-since': FUTURE, 'if-modified-since': FUTURE }, 304],
];

function reads(bench: () => Bench): void {
  test.each(['small', 'large'])('the table of RFC 9110 on a %s object', async (kind) => {
    const { send, bucket } = bench();
    const path = objectPath(bucket, `conditions/${kind}`);
    const body = kind.repeat(kind === 'small' ? 1 : 220_000);
    await send({ method: 'PUT', path, body });
    const etag = `"${md5(body)}"`;
    let compared = 0;
    for (const [wanted, status] of READS) {
      const headers = Object.entries(wanted).map(
        ([name, value]): Header => [name, value.replace(/\bE\b/g, etag).replace(/\bO\b/g, `"${md5('other')}"`)],
      );
      for (const method of ['GET', 'HEAD']) {
        const reply = await send({ method, path, headers });
        expect([method, wanted, reply.status]).toEqual([method, wanted, status]);
        if (status === 200) expect(reply.headers['etag']).toBe(etag);
        if (status === 304) {
          expect(reply.headers['etag']).toBe(etag);
          expect(reply.headers['last-modified']).toMatch(/GMT$/);
          expect(reply.body.length).toBe(0);
          expect(reply.headers['content-type']).toBeUndefined();
        }
        if (status === 412 && method === 'GET') expect(reply.code).toBe('PreconditionFailed');
        compared++;
      }
    }
    expect(compared).toBe(2 * READS.length);
  });

  test('an unquoted ETag is understood, and the unmodified second counts as unmodified', async () => {
    const { send, bucket } = bench();
    const path = objectPath(bucket, 'conditions/unquoted');
    await send({ method: 'PUT', path, body: 'x' });
    const modified = String((await send({ method: 'HEAD', path })).headers['last-modified']);
    expect((await send({ method: 'GET', path, headers: [['if-match', md5('x')]] })).status).toBe(200);
    expect((await send({ method: 'GET', path, headers: [['if-modified-since', modified]] })).status).toBe(304);
    expect((await send({ method: 'GET', path, headers: [['if-unmodified-since', modified]] })).status).toBe(200);
  });

  test('a condition and a range together: the condition first, then the slice', async () => {
    const { send, bucket } = bench();
    const path = objectPath(bucket, 'conditions/ranged');
    await send({ method: 'PUT', path, body: '0123456789' });
    const range: Header = ['range', 'bytes=2-4'];
    const right = await send({ method: 'GET', path, headers: [range, ['if-match', `"${md5('0123456789')}"`]] });
    expect([right.status, right.body.toString()]).toEqual([206, '234']);
    const wrong = await send({ method: 'GET', path, headers: [range, ['if-match', `"${md5('old')}"`]] });
    expect([wrong.status, wrong.code]).toEqual([412, 'PreconditionFailed']);
  });

  test('a missing key is 404 whatever the condition', async () => {
    const { send, bucket } = bench();
    for (const [name, value] of [
      ['if-match', '*'],
      ['if-none-match', '*'],
    ] as const) {
      const reply = await send({
        method: 'GET',
        path: objectPath(bucket, 'conditions/none'),
        headers: [[name, value]],
      });
      expect([reply.status, reply.code]).toEqual([404, 'NoSuchKey']);
    }
  });
}

function writes(bench: () => Bench): void {
  const atomicCreate: Header = ['if-none-match', '*'];
  const supported = () => bench().capabilities;

  test('If-None-Match: *: of two concurrent writers exactly one wins, 20 times of 20', async () => {
    const { send, bucket } = bench();
    const wins: number[] = [];
    for (let round = 0; round < 20; round++) {
      const path = objectPath(bucket, `races/${round}`);
      const bodies = ['first', 'second'];
      const replies = await Promise.all(
        bodies.map((body) => send({ method: 'PUT', path, headers: [atomicCreate], body })),
      );
      const statuses = replies.map(({ status }) => status);
      if (!supported().conditionalPut) {
        expect(statuses).toEqual([501, 501]);
        continue;
      }
      expect([...statuses].sort()).toEqual([200, 412]);
      wins.push(statuses.indexOf(200));
      const stored = await send({ method: 'GET', path });
      expect(stored.body.toString()).toBe(bodies[statuses.indexOf(200)]);
    }
    expect(wins.length).toBe(supported().conditionalPut ? 20 : 0);
  });

  test('If-Match: eight writers that count together lose no increment', async () => {
    const { send, bucket } = bench();
    const path = objectPath(bucket, 'counter');
    await send({ method: 'PUT', path, body: '0' });
    if (!supported().conditionalPutIfMatch) {
      const refused = await send({ method: 'PUT', path, headers: [['if-match', '*']], body: '1' });
      expect([refused.status, refused.code]).toEqual([501, 'NotImplemented']);
      return;
    }
    const increments = 2;
    const increment = async (): Promise<void> => {
      for (let attempt = 0; attempt < 500; attempt++) {
        const now = await send({ method: 'GET', path });
        const headers: Header[] = [['if-match', String(now.headers['etag'])]];
        const put = await send({ method: 'PUT', path, headers, body: String(Number(now.body.toString()) + 1) });
        if (put.status === 200) return;
        expect([409, 412]).toContain(put.status);
      }
      throw new Error('an increment starved');
    };
    const writer = async () => {
      for (let done = 0; done < increments; done++) await increment();
    };
    await Promise.all(Array.from({ length: 8 }, writer));
    expect((await send({ method: 'GET', path })).body.toString()).toBe(String(8 * increments));
  });

  test('If-Match on PUT: the right ETag replaces, a wrong one is 412, a missing key 404', async () => {
    if (!supported().conditionalPutIfMatch) return;
    const { send, bucket } = bench();
    const path = objectPath(bucket, 'if-match');
    await send({ method: 'PUT', path, body: 'one' });
    const wrong = await send({ method: 'PUT', path, headers: [['if-match', `"${md5('zero')}"`]], body: 'two' });
    expect([wrong.status, wrong.code]).toEqual([412, 'PreconditionFailed']);
    expect((await send({ method: 'GET', path })).body.toString()).toBe('one');
    const right = await send({ method: 'PUT', path, headers: [['if-match', `"${md5('one')}"`]], body: 'two' });
    expect([right.status, right.headers['etag']]).toEqual([200, `"${md5('two')}"`]);
    const none = objectPath(bucket, 'if-match-none');
    const missing = await send({ method: 'PUT', path: none, headers: [['if-match', '*']], body: 'x' });
    expect([missing.status, missing.code]).toEqual([404, 'NoSuchKey']);
    expect((await send({ method: 'HEAD', path: none })).status).toBe(404);
  });

  test('conditions on large bodies hold as well', async () => {
    if (!supported().conditionalPut) return;
    const { send, bucket } = bench();
    const path = objectPath(bucket, 'large-condition');
    const [one, two] = ['1'.repeat(1_200_000), '2'.repeat(1_200_000)];
    expect((await send({ method: 'PUT', path, headers: [atomicCreate], body: one })).status).toBe(200);
    expect((await send({ method: 'PUT', path, headers: [atomicCreate], body: two })).status).toBe(412);
    expect((await send({ method: 'HEAD', path })).headers['etag']).toBe(`"${md5(one)}"`);
  });

  test('DELETE If-Match deletes only what the client has seen', async () => {
    const { send, bucket } = bench();
    const path = objectPath(bucket, 'delete-if-match');
    await send({ method: 'PUT', path, body: 'one' });
    const wrong = await send({ method: 'DELETE', path, headers: [['if-match', `"${md5('zero')}"`]] });
    if (!supported().conditionalDelete) {
      expect([wrong.status, wrong.code]).toEqual([501, 'NotImplemented']);
      expect((await send({ method: 'HEAD', path })).status).toBe(200);
      return;
    }
    expect([wrong.status, wrong.code]).toEqual([412, 'PreconditionFailed']);
    expect((await send({ method: 'HEAD', path })).status).toBe(200);
    expect((await send({ method: 'DELETE', path, headers: [['if-match', `"${md5('one')}"`]] })).status).toBe(204);
    expect((await send({ method: 'HEAD', path })).status).toBe(404);
  });

  test('conditions that S3 does not know are refused, and nothing is stored', async () => {
    const { send, bucket } = bench();
    const path = objectPath(bucket, 'unknown-condition');
    const unknown: Header[][] = [
      [['if-none-match', `"${md5('x')}"`]],
      [
        ['if-none-match', '*'],
        ['if-match', '*'],
      ],
    ];
    for (const headers of unknown) {
      const refused = await send({ method: 'PUT', path, headers, body: 'x' });
      expect([refused.status, refused.code]).toEqual([501, 'NotImplemented']);
    }
    expect((await send({ method: 'HEAD', path })).status).toBe(404);
  });
}
