/**
 * Protects versions: each is read, described, copied and deleted by its id, delete markers answer as in S3, and the listing of
 * versions agrees with HEAD and keeps the store's order and pages.
 */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandInput,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseListVersions } from '../../../proxy/backend/list.ts';
import { setVersioning, sharedBench } from '../../helpers/bench.ts';
import { copied, copySourceOf, md5 } from './copy-suite.ts';

const bench = sharedBench();

const at = (Key: string) => ({ Bucket: bench.bucket, Key });
const put = async (key: string, body: Buffer) =>
  (await bench.s3.send(new PutObjectCommand({ ...at(key), Body: body }))).VersionId ?? '';
const get = async (key: string, VersionId?: string) => {
  const reply = await bench.s3.send(new GetObjectCommand({ ...at(key), ...(VersionId && { VersionId }) }));
  return { ...reply, bytes: Buffer.from((await reply.Body?.transformToByteArray()) ?? []) };
};
const list = (extra: Partial<ListObjectVersionsCommandInput> = {}) =>
  bench.s3.send(new ListObjectVersionsCommand({ Bucket: bench.bucket, ...extra }));

describe('versions', () => {
  const old = randomBytes(1024 * 1024 + 5);
  const young = randomBytes(40);
  let ids: readonly [string, string, string];

  beforeAll(async () => {
    const before = await bench.s3.send(new GetBucketVersioningCommand({ Bucket: bench.bucket }));
    expect(before.Status).toBeUndefined();
    await put('null version', Buffer.from('null'));
    await setVersioning(bench, 'Enabled');
    const after = await bench.s3.send(new GetBucketVersioningCommand({ Bucket: bench.bucket }));
    expect(after.Status).toBe('Enabled');
    const first = await put('doc', old);
    const second = await put('doc', young);
    const marker = await bench.s3.send(new DeleteObjectCommand(at('doc')));
    expect(marker.DeleteMarker).toBe(true);
    ids = [first, second, marker.VersionId ?? ''];
    expect(new Set(ids).size).toBe(3);
    await put('null version', Buffer.from('newer'));
  });

  it('are read and described by id', async () => {
    for (const [id, body] of [
      [ids[0], old],
      [ids[1], young],
    ] as const) {
      const got = await get('doc', id);
      expect([got.bytes.equals(body), got.VersionId, got.ETag]).toEqual([true, id, `"${md5(body)}"`]);
      const head = await bench.s3.send(new HeadObjectCommand({ ...at('doc'), VersionId: id }));
      expect([head.ContentLength, head.VersionId]).toEqual([body.length, id]);
      const described = await bench.s3.send(
        new GetObjectAttributesCommand({ ...at('doc'), VersionId: id, ObjectAttributes: ['ETag', 'ObjectSize'] }),
      );
      expect([described.ETag, described.ObjectSize, described.VersionId]).toEqual([md5(body), body.length, id]);
    }
    expect((await get('null version', 'null')).bytes.toString()).toBe('null');
  });

  it('of which the newest is a delete marker: 404, and 405 by its id', async () => {
    for (const method of ['GET', 'HEAD'] as const) {
      const latest = await bench.send({ method, path: `/${bench.bucket}/doc` });
      expect([latest.status, latest.headers['x-amz-delete-marker']]).toEqual([404, 'true']);
      expect(latest.headers['x-amz-version-id']).toBe(ids[2]);
      const marker = await bench.send({ method, path: `/${bench.bucket}/doc`, query: `versionId=${ids[2]}` });
      expect([marker.status, marker.headers['x-amz-delete-marker']]).toEqual([405, 'true']);
      expect(marker.headers['last-modified']).toMatch(/GMT$/);
      if (method === 'GET') expect([latest.code, marker.code]).toEqual(['NoSuchKey', 'MethodNotAllowed']);
    }
  });

  it('that do not exist are NoSuchVersion', async () => {
    const unknown = `${ids[0].slice(0, -1)}${ids[0].endsWith('0') ? '1' : '0'}`;
    await expect(get('doc', unknown)).rejects.toMatchObject({ name: 'NoSuchVersion' });
  });

  it('are copied by id, a delete marker never', async () => {
    const source = copySourceOf(bench.bucket, 'doc');
    const answer = await copied(bench, 'doc', 'restored', { CopySource: `${source}?versionId=${ids[0]}` });
    expect([answer.CopySourceVersionId, answer.CopyObjectResult?.ETag]).toEqual([ids[0], `"${md5(old)}"`]);
    expect(answer.VersionId).toBeDefined();
    expect((await get('restored')).bytes.equals(old)).toBe(true);
    const marker = copied(bench, 'doc', 'no', { CopySource: `${source}?versionId=${ids[2]}` });
    await expect(marker).rejects.toMatchObject({ name: 'InvalidRequest' });
    await expect(copied(bench, 'doc', 'no')).rejects.toMatchObject({ name: 'NoSuchKey' });
  });

  it('come back by copying an old one onto its own name', async () => {
    await put('again', Buffer.from('wanted'));
    const [{ VersionId } = {}] = (await list({ Prefix: 'again' })).Versions ?? [];
    await put('again', Buffer.from('unwanted'));
    const source = copySourceOf(bench.bucket, 'again');
    await copied(bench, 'again', 'again', { CopySource: `${source}?versionId=${VersionId}` });
    expect((await get('again')).bytes.toString()).toBe('wanted');
  });

  it('are listed with plaintext sizes and ETags', async () => {
    const page = await list({ Prefix: 'doc' });
    expect(page.Versions?.map(({ VersionId, Size, ETag, IsLatest }) => [VersionId, Size, ETag, IsLatest])).toEqual([
      [ids[1], young.length, `"${md5(young)}"`, false],
      [ids[0], old.length, `"${md5(old)}"`, false],
    ]);
    expect(page.DeleteMarkers).toMatchObject([{ Key: 'doc', VersionId: ids[2], IsLatest: true }]);
    expect(page.DeleteMarkers?.[0]).not.toHaveProperty('Size');
  });

  it('are deleted by id, and a deleted marker brings the object back', async () => {
    await put('twice', Buffer.from('one'));
    const marker = await bench.s3.send(new DeleteObjectCommand(at('twice')));
    await expect(get('twice')).rejects.toMatchObject({ name: 'NoSuchKey' });
    const removed = await bench.s3.send(new DeleteObjectCommand({ ...at('twice'), VersionId: marker.VersionId ?? '' }));
    expect(removed.DeleteMarker).toBe(true);
    expect((await get('twice')).bytes.toString()).toBe('one');
  });
});

describe('ListObjectVersions', () => {
  const keys = ['p/a', 'p/b c+d&', 'p/sub/x', 'p/sub/y', 'p/z'];

  beforeAll(async () => {
    await setVersioning(bench, 'Enabled');
    for (const key of keys) {
      await put(key, Buffer.from(key));
      await put(key, randomBytes(100));
      if (key === 'p/a') await bench.s3.send(new DeleteObjectCommand(at(key)));
    }
  });

  it('pages as the store does, to the same rows in the same order', async () => {
    const whole = await list({ Prefix: 'p/' });
    const names = (page: typeof whole) => [
      ...(page.Versions ?? []).map(({ Key, VersionId }) => `${Key} ${VersionId}`),
      ...(page.DeleteMarkers ?? []).map(({ Key, VersionId }) => `marker ${Key} ${VersionId}`),
    ];
    expect(names(whole)).toHaveLength(11);
    for (const MaxKeys of [1, 2, 3, 7]) {
      const rows: string[] = [];
      let markers: Partial<ListObjectVersionsCommandInput> = {};
      let pages = 0;
      for (let more = true; more; pages++) {
        const page = await list({ Prefix: 'p/', MaxKeys, ...markers });
        expect(names(page).length).toBeLessThanOrEqual(MaxKeys);
        rows.push(...names(page));
        more = page.IsTruncated === true;
        if (more) markers = { KeyMarker: page.NextKeyMarker ?? '', VersionIdMarker: page.NextVersionIdMarker ?? '' };
      }
      expect(pages).toBe(Math.ceil(11 / MaxKeys));
      expect(rows.sort()).toEqual(names(whole).sort());
    }
  });

  it('rolls up below a delimiter', async () => {
    const page = await list({ Prefix: 'p/', Delimiter: '/' });
    expect(page.CommonPrefixes).toEqual([{ Prefix: 'p/sub/' }]);
    expect(page.Versions?.map(({ Key }) => Key)).toEqual(['p/a', 'p/a', 'p/b c+d&', 'p/b c+d&', 'p/z', 'p/z']);
  });

  it('encodes names only when asked', async () => {
    const encoded = await list({ Prefix: 'p/b', EncodingType: 'url' });
    expect([encoded.Versions?.[0]?.Key, encoded.Prefix, encoded.EncodingType]).toEqual(['p/b+c%2Bd%26', 'p/b', 'url']);
    expect((await list({ Prefix: 'p/b' })).Versions?.[0]?.Key).toBe('p/b c+d&');
  });

  it('mixes versions and delete markers in the order in which the store has them', async () => {
    const { backend, bucket } = bench;
    const passed = backend.intercept;
    let order: string[] = [];
    backend.intercept = async (request, next) => {
      if (!request.query?.some(([name]) => name === 'versions')) return next(request);
      const answer = await next(request);
      const text = Buffer.concat(await answer.body.toArray()).toString();
      const rows = [...text.matchAll(/<(Version|DeleteMarker)>.*?<\/\1>/gs)].map(([row]) => row);
      order = rows.map((row) => `${row.startsWith('<Delete')} ${/<VersionId>([^<]*)/.exec(row)?.[1]}`).reverse();
      const mixed = text.replace(rows.join(''), '').replace('<IsTruncated>', `${rows.reverse().join('')}<IsTruncated>`);
      return { ...answer, headers: {}, body: Readable.from([Buffer.from(mixed)]) };
    };
    const reply = await bench.send({ method: 'GET', path: `/${bucket}`, query: 'versions=&prefix=p%2F' });
    backend.intercept = passed;
    const { versions } = parseListVersions(reply.body);
    expect(order.filter((row) => row.startsWith('true')).length).toBe(1);
    expect(versions.map(({ isDeleteMarker, versionId }) => `${isDeleteMarker} ${versionId}`)).toEqual(order);
  });

  it.each([
    ['version-id-marker=x', 'InvalidArgument'],
    ['max-keys=-1', 'InvalidArgument'],
    ['max-keys=x', 'InvalidArgument'],
    ['encoding-type=base64', 'InvalidArgument'],
  ])('refuses ?%s', async (query, code) => {
    const reply = await bench.send({ method: 'GET', path: `/${bench.bucket}`, query: `versions=&${query}` });
    expect([reply.status, reply.code]).toEqual([400, code]);
  });
});

it('a suspended bucket keeps its versions and stores null ones', async () => {
  await setVersioning(bench, 'Enabled');
  const kept = await put('suspended', Buffer.from('kept'));
  await setVersioning(bench, 'Suspended');
  await put('suspended', Buffer.from('null one'));
  await put('suspended', Buffer.from('null two'));
  expect((await get('suspended')).bytes.toString()).toBe('null two');
  expect((await get('suspended', kept)).bytes.toString()).toBe('kept');
  const page = await list({ Prefix: 'suspended' });
  expect(page.Versions?.map(({ VersionId, IsLatest }) => [VersionId, IsLatest])).toEqual([
    ['null', true],
    [kept, false],
  ]);
});
