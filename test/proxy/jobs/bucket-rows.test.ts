// Protects: a job that is gone on with finds every object behind its checkpoint, in pages, with versions, and when the store fails
// between two pages. A listing that ended early would pass for a bucket without damage.
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, test } from 'vitest';
import { BackendUnavailable } from '../../../proxy/backend/backend.ts';
import { S3Error } from '../../../proxy/errors.ts';
import { type BucketRow, bucketRows, cursorOf } from '../../../proxy/jobs/bucket-rows.ts';
import { csvLine, jsonLine } from '../../../proxy/jobs/job-report.ts';
import { setVersioning, sharedBench } from '../../helpers/bench.ts';
import { rowNamed } from './harness.ts';

const bench = sharedBench();
const names = ['a', 'a/b', 'a/c', 'a+b %ü', 'b', 'b/1', 'b/2', 'z'];

async function all(rows: AsyncIterable<BucketRow>): Promise<BucketRow[]> {
  const found: BucketRow[] = [];
  for await (const row of rows) found.push(row);
  return found;
}

const source = () => ({ backend: bench.backend, signal: AbortSignal.timeout(60_000) });
const scope = (o: { prefix?: string; versions?: boolean } = {}) => ({
  bucket: bench.bucket,
  prefix: '',
  versions: false,
  ...o,
});

beforeAll(async () => {
  for (const Key of names) await bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key, Body: Key }));
});

describe('behind any row', () => {
  test.each(['', 'a'])('of current objects under %j', async (prefix) => {
    const where = scope({ prefix });
    const whole = await all(bucketRows(source(), where, null));
    expect(whole.length).toBe(prefix === '' ? names.length : 4);
    for (const [at, row] of whole.entries()) {
      expect(await all(bucketRows(source(), where, cursorOf(row)))).toEqual(whole.slice(at + 1));
    }
  });

  test('of versions and delete markers, also when that version is gone', async () => {
    await setVersioning(bench, 'Enabled');
    for (const Key of ['b', 'b', 'b/1'])
      await bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key, Body: 'x' }));
    await bench.s3.send(new DeleteObjectCommand({ Bucket: bench.bucket, Key: 'b' }));
    const where = scope({ versions: true });
    const whole = await all(bucketRows(source(), where, null));
    expect(whole.length).toBe(names.length + 4);
    expect(whole.filter(({ isDeleteMarker }) => isDeleteMarker).map(({ key }) => key)).toEqual(['b']);
    for (const [at, row] of whole.entries()) {
      expect(await all(bucketRows(source(), where, cursorOf(row)))).toEqual(whole.slice(at + 1));
    }
    const gone = await all(bucketRows(source(), where, { key: 'b', versionId: 'gone' }));
    expect(gone).toEqual(whole.slice(whole.findIndex(({ key }) => key === 'b')));
  });
});

test('a page that fails is asked for again, from the last row on; one that fails for good is an error', async () => {
  let asked = 0;
  bench.backend.intercept = (request, next) => {
    const isList = request.query?.some(([name]) => name === 'list-type') === true;
    if (isList) asked += 1;
    if (isList && asked === 2) throw new BackendUnavailable('reset');
    const query = isList ? [...(request.query ?? []), ['max-keys', '3'] as const] : request.query;
    return next(query === undefined ? request : { ...request, query });
  };
  const found = await all(bucketRows(source(), scope(), null));
  expect(found.map(({ key }) => key)).toEqual(
    [...names].filter((key) => found.some((row) => row.key === key)).sort(bytewise),
  );
  expect(found.length).toBe(names.length - 1);
  bench.backend.intercept = () => {
    throw new BackendUnavailable('down');
  };
  await expect(all(bucketRows(source(), scope(), null))).rejects.toThrow(BackendUnavailable);
  bench.backend.intercept = () => {
    throw new S3Error('AccessDenied');
  };
  await expect(all(bucketRows(source(), scope(), null))).rejects.toThrow(S3Error);
  bench.backend.intercept = (request, next) => next(request);
});

const bytewise = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

test('a report has one line for a row, whatever its key', () => {
  const row = rowNamed('a,"b"\n=c é', {
    state: 'damaged',
    succeeded: false,
    errorCode: 'X',
    message: 'say "no", twice',
  });
  expect(csvLine(row)).toBe('b,a%2C%22b%22%0A%3Dc+%C3%A9,,failed,X,200,"damaged: say ""no"", twice"\n');
  expect(JSON.parse(jsonLine(row))).toMatchObject({ key: 'a,"b"\n=c é', versionId: null, state: 'damaged' });
  expect(jsonLine(row).match(/\n/g)?.length).toBe(1);
});
