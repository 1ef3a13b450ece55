// Protects: conditional requests: precedence of RFC 9110 section 13.2.2 on reads, S3's conditional writes and deletes, and
// that of concurrent conditional writes exactly one wins.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { etagMatches, evaluateRead, type ReadOutcome } from '../../../../proxy/backend/local/conditions.ts';
import { md5, openTestStore, type TestStore } from './harness.ts';

const bucket = 'conditions';
const BEFORE = 'Wed, 14 Feb 2024 00:00:00 GMT';
const SAME = 'Thu, 15 Feb 2024 12:00:00 GMT';
const AFTER = 'Fri, 16 Feb 2024 00:00:00 GMT';
const ETAG = md5('body');
const OTHER = md5('other');

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore({ bucket, now: () => new Date(Date.parse(SAME) + 999) });
  await store.put({ bucket, key: 'k', body: 'body' });
});
afterAll(() => store[Symbol.asyncDispose]());

const MATCH = { '': undefined, hit: `"${ETAG}"`, miss: `"${OTHER}"` };
const DATES = { '': undefined, before: BEFORE, same: SAME, after: AFTER, bad: 'yesterday' };

/** RFC 9110 section 13.2.2, written as its steps. */
function rfc(c: Record<'match' | 'none' | 'since' | 'unmodified', string>): ReadOutcome {
  if (c.match === 'miss') return 'precondition-failed';
  if (c.match === '' && c.unmodified === 'before') return 'precondition-failed';
  if (c.none === 'hit') return 'not-modified';
  if (c.none === '' && (c.since === 'same' || c.since === 'after')) return 'not-modified';
  return 'proceed';
}

test('every combination of read conditions', async () => {
  const statuses = { proceed: 200, 'not-modified': 304, 'precondition-failed': 412 };
  let ran = 0;
  for (const [match, ifMatch] of Object.entries(MATCH)) {
    for (const [none, ifNoneMatch] of Object.entries(MATCH)) {
      for (const [since, ifModifiedSince] of Object.entries(DATES)) {
        for (const [unmodified, ifUnmodifiedSince] of Object.entries(DATES)) {
          const expected = rfc({ match, none, since, unmodified });
          const conditions = { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince };
          const name = JSON.stringify({ match, none, since, unmodified });
          expect([name, evaluateRead(conditions, { etag: ETAG, modified: Date.parse(SAME) + 999 })]).toEqual([
            name,
            expected,
          ]);
          const given = {
            'if-match': ifMatch,
            'if-none-match': ifNoneMatch,
            'if-modified-since': ifModifiedSince,
            'if-unmodified-since': ifUnmodifiedSince,
          };
          const present = Object.entries(given).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]));
          const headers: Record<string, string> = Object.fromEntries(present);
          const got = await store.get({ bucket, key: 'k', headers });
          const head = await store.head({ bucket, key: 'k', headers });
          expect([name, got.status, head.status]).toEqual([name, statuses[expected], statuses[expected]]);
          if (expected === 'not-modified') {
            expect([got.headers['etag'], got.bytes.length]).toEqual([`"${ETAG}"`, 0]);
          }
          if (expected === 'precondition-failed') expect(got.code).toBe('PreconditionFailed');
          ran++;
        }
      }
    }
  }
  expect(ran).toBe(3 * 3 * 5 * 5);
});

test('entity tags: lists, quotes, weakness, any', () => {
  const cases: readonly (readonly [string, boolean])[] = [
    [`"${ETAG}"`, true],
    [ETAG, true],
    [`W/"${ETAG}"`, true],
    [`"${OTHER}", "${ETAG}"`, true],
    [`"${OTHER}","x"`, false],
    ['*', true],
    ['""', false],
    ['"', false],
    ['', false],
    [ETAG.toUpperCase(), false],
    [`"${ETAG}-1"`, false],
  ];
  expect(cases.map(([list]) => [list, etagMatches(list, ETAG)])).toEqual(cases);
  expect(cases.length).toBe(11);
});

test('conditional writes', async () => {
  const put = (key: string, headers: Record<string, string>) => store.put({ bucket, key, body: 'body', headers });
  expect((await put('new', { 'if-match': `"${ETAG}"` })).code).toBe('NoSuchKey');
  expect((await put('new', { 'if-match': '*' })).status).toBe(404);
  expect((await put('new', { 'if-none-match': '*' })).status).toBe(200);
  const taken = await put('new', { 'if-none-match': '*' });
  expect([taken.status, taken.code, taken.xml.value('Condition')]).toEqual([
    412,
    'PreconditionFailed',
    'If-None-Match',
  ]);
  const stale = await put('new', { 'if-match': `"${OTHER}"` });
  expect([stale.status, stale.xml.value('Condition')]).toEqual([412, 'If-Match']);
  expect((await put('new', { 'if-match': `"${ETAG}"` })).status).toBe(200);
  expect((await put('new', { 'if-none-match': `"${ETAG}"` })).status).toBe(501);
});

test('a refused conditional write of a large body leaves the object and no file', async () => {
  const body = Buffer.alloc(200_000, 1);
  await store.put({ bucket, key: 'large', body });
  const again = await store.put({
    bucket,
    key: 'large',
    body: Buffer.alloc(200_000, 2),
    headers: { 'if-none-match': '*' },
  });
  expect(again.status).toBe(412);
  expect((await store.get({ bucket, key: 'large' })).bytes.equals(body)).toBe(true);
});

test('of racing conditional writes exactly one wins, and it is the one stored', async () => {
  for (let round = 0; round < 20; round++) {
    const key = `race/${round}`;
    const racers = Array.from({ length: 8 }, (_, i) => `racer ${i}`);
    const answers = await Promise.all(
      racers.map((body) => store.put({ bucket, key, body, headers: { 'if-none-match': '*' } })),
    );
    const winners = racers.filter((_, i) => answers[i]?.status === 200);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(7).fill(412)]);
    expect([(await store.get({ bucket, key })).text]).toEqual(winners);
  }
});

test('of racing compare-and-swaps none is lost', async () => {
  const key = 'counter';
  await store.put({ bucket, key, body: '0' });
  const increment = async (): Promise<void> => {
    for (;;) {
      const now = await store.get({ bucket, key });
      const headers = { 'if-match': now.headers['etag'] ?? '' };
      const put = await store.put({ bucket, key, body: String(Number(now.text) + 1), headers });
      if (put.status === 200) return;
      expect(put.status).toBe(412);
    }
  };
  await Promise.all(Array.from({ length: 10 }, increment));
  expect((await store.get({ bucket, key })).text).toBe('10');
});

test('conditional deletes', async () => {
  await store.put({ bucket, key: 'doomed', body: 'body' });
  const doomed = (etag: string) => store.delete({ bucket, key: 'doomed', headers: { 'if-match': etag } });
  expect((await doomed(`"${OTHER}"`)).status).toBe(412);
  expect((await store.head({ bucket, key: 'doomed' })).status).toBe(200);
  expect((await doomed(`"${ETAG}"`)).status).toBe(204);
  expect((await doomed(`"${ETAG}"`)).code).toBe('NoSuchKey');
  expect((await doomed('*')).status).toBe(404);
});
