// Protects: any sequence of puts, deletes and pages of a listing agrees with a naive model, for odd keys, prefixes,
// delimiters, markers and page sizes; following the pages yields every entry once.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openTestStore, type TestStore } from './harness.ts';
import { indexProblems } from './store-files.ts';

const piece = fc.constantFrom(
  'a',
  'b',
  '/',
  '//',
  '..',
  '.',
  ' ',
  '%2F',
  '+',
  'é',
  '😀',
  '\uffff',
  '\u0001',
  '&<',
  'A',
  '-',
);
const name = (max: number) => fc.array(piece, { minLength: 1, maxLength: max }).map((parts) => parts.join(''));
const key = name(5);
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ put: key, size: fc.integer({ min: 0, max: 50 }) }) },
  { weight: 2, arbitrary: fc.record({ remove: key }) },
);
const listing = fc.record({
  prefix: fc.oneof(fc.constant(''), name(2)),
  delimiter: fc.oneof(fc.constant(''), fc.constant('/'), name(2)),
  after: fc.oneof(fc.constant(''), key),
  maxKeys: fc.integer({ min: 1, max: 5 }),
  v1: fc.boolean(),
});
type Listing = typeof listing extends fc.Arbitrary<infer T> ? T : never;

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** Every entry of a listing without pages: S3's definition, over all keys. */
function model(keys: Iterable<string>, o: Listing): string[] {
  const entries: string[] = [];
  for (const one of [...keys].sort(byBytes)) {
    if (!one.startsWith(o.prefix) || byBytes(one, o.after) <= 0) continue;
    const at = o.delimiter === '' ? -1 : one.indexOf(o.delimiter, o.prefix.length);
    const entry = at < 0 ? one : one.slice(0, at + o.delimiter.length);
    const rolled = at >= 0;
    if (rolled && entry === o.after) continue;
    const shown = `${rolled ? 'prefix' : 'key'} ${entry}`;
    if (entries.at(-1) !== shown) entries.push(shown);
  }
  return entries;
}

async function pages(store: TestStore, bucket: string, o: Listing): Promise<string[]> {
  const seen: string[] = [];
  let next: string | undefined;
  for (let page = 0; page < 200; page++) {
    const { xml } = await store.get({
      bucket,
      query: {
        prefix: o.prefix,
        delimiter: o.delimiter,
        'max-keys': String(o.maxKeys),
        'encoding-type': 'url',
        ...(o.v1 ? { marker: next ?? o.after } : { 'list-type': '2', 'start-after': o.after }),
        ...(o.v1 || next === undefined ? {} : { 'continuation-token': next }),
      },
    });
    const keys = xml.children('Contents').map((row) => decodeURIComponent(row.value('Key') ?? ''));
    const prefixes = xml.children('CommonPrefixes').map((row) => decodeURIComponent(row.value('Prefix') ?? ''));
    const entries = [...keys.map((k) => `key ${k}`), ...prefixes.map((p) => `prefix ${p}`)];
    entries.sort((a, b) => byBytes(a.slice(a.indexOf(' ') + 1), b.slice(b.indexOf(' ') + 1)));
    expect(entries.length).toBeLessThanOrEqual(o.maxKeys);
    seen.push(...entries);
    if (xml.value('IsTruncated') === 'false') return seen;
    expect(entries).toHaveLength(o.maxKeys);
    const last = entries.at(-1) ?? '';
    const marker = xml.value('NextMarker');
    if (!o.v1) next = xml.value('NextContinuationToken') ?? '';
    else next = marker === undefined ? last.slice(last.indexOf(' ') + 1) : decodeURIComponent(marker);
  }
  throw new Error('the pages do not end');
}

test('listings agree with a naive model', async () => {
  await using store = await openTestStore();
  let bucketNumber = 0;
  let compared = 0;
  let nonEmpty = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { minLength: 1, maxLength: 30 }),
      fc.array(listing, { minLength: 1, maxLength: 6 }),
      async (actions, listings) => {
        const bucket = `property-${bucketNumber++}`;
        await store.put({ bucket });
        const stored = new Map<string, number>();
        for (const step of actions) {
          if ('put' in step) {
            await store.put({ bucket, key: step.put, body: Buffer.alloc(step.size) });
            stored.set(step.put, step.size);
          } else {
            await store.delete({ bucket, key: step.remove });
            stored.delete(step.remove);
          }
        }
        for (const one of listings) {
          const expected = model(stored.keys(), one);
          expect(await pages(store, bucket, one)).toEqual(expected);
          compared++;
          if (expected.length > 0) nonEmpty++;
        }
        for (const [k, size] of stored) {
          const head = await store.head({ bucket, key: k });
          expect([head.status, head.headers['content-length']]).toEqual([200, String(size)]);
        }
      },
    ),
    { numRuns: 150 },
  );
  expect(compared).toBeGreaterThan(150);
  expect(nonEmpty).toBeGreaterThan(compared / 4);
  expect(indexProblems(store.directory)).toEqual([]);
});
