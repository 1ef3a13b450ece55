/**
 * Listings with every parameter against a naive model: order by UTF-8 bytes, prefixes, delimiters, markers and pages, with
 * plaintext sizes and ETags in every row (seen elsewhere: ciphertext sizes made sync tools copy everything again).
 */
import { createHash } from 'node:crypto';
import {
  CreateBucketCommand,
  ListObjectsCommand,
  type ListObjectsCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { beforeAll, expect, test } from 'vitest';
import type { Bench } from '../../helpers/bench.ts';
import { uniqueBucket } from '../../helpers/proxy.ts';
import type { Quirks } from './all.ts';

const KEYS = [
  'a',
  'a b',
  'a/1',
  'a/2',
  'a/b/3',
  'a/b/4',
  'a0',
  'b',
  'b/',
  'b/5',
  'c//6',
  'z/\u{10000}',
  'z/\uffee',
  '\u00fc',
  '\u00fc/7',
];
const PREFIXES = ['', 'a', 'a/', 'b/', 'z/', '\u00fc', 'none'];
const DELIMITERS = ['', '/', 'b'];

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** What S3 lists: keys and common prefixes in one order. */
function model(o: { prefix: string; delimiter: string; after: string }): string[] {
  const entries = new Set<string>();
  for (const key of [...KEYS].sort(byBytes)) {
    if (!key.startsWith(o.prefix)) continue;
    const cut = o.delimiter === '' ? -1 : key.indexOf(o.delimiter, o.prefix.length);
    const entry = cut < 0 ? key : key.slice(0, cut + o.delimiter.length);
    // A common prefix is left out only when the marker is at or beyond every key in it: S3 compares the prefix itself.
    if (byBytes(key, o.after) > 0 && (cut < 0 || byBytes(entry, o.after) > 0 || !o.after.startsWith(entry)))
      entries.add(cut < 0 ? `key ${entry}` : `prefix ${entry}`);
  }
  return [...entries];
}

type Page = ListObjectsCommandOutput | ListObjectsV2CommandOutput;

export function listings(bench: () => Bench, quirks: Quirks): void {
  const bucket = uniqueBucket();

  beforeAll(async () => {
    const { s3 } = bench();
    await s3.send(new CreateBucketCommand({ Bucket: bucket }));
    for (const Key of KEYS) await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: `<${Key}>` }));
  });

  function rowsOf(page: Page): string[] {
    const keys = (page.Contents ?? []).map(({ Key = '', Size, ETag }) => {
      const body = `<${Key}>`;
      expect([Key, Size]).toEqual([Key, Buffer.byteLength(body)]);
      expect(ETag).toBe(`"${createHash('md5').update(body).digest('hex')}"`);
      return ['key', Key] as const;
    });
    const prefixes = (page.CommonPrefixes ?? []).map(({ Prefix = '' }) => ['prefix', Prefix] as const);
    return [...keys, ...prefixes].sort(([, a], [, b]) => byBytes(a, b)).map(([kind, name]) => `${kind} ${name}`);
  }

  async function pagesV2(o: {
    prefix: string;
    delimiter: string;
    after: string;
    maxKeys: number;
  }): Promise<string[][]> {
    const pages: string[][] = [];
    let token: string | undefined;
    do {
      const page: ListObjectsV2CommandOutput = await bench().s3.send(
        new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: o.prefix,
          Delimiter: o.delimiter,
          MaxKeys: o.maxKeys,
          StartAfter: o.after,
          ContinuationToken: token,
        }),
      );
      pages.push(rowsOf(page));
      expect(page.KeyCount).toBe(pages.at(-1)?.length);
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      if (page.IsTruncated === true) expect(token).toBeDefined();
    } while (token !== undefined && pages.length <= 2 * KEYS.length);
    return pages;
  }

  async function pagesV1(o: {
    prefix: string;
    delimiter: string;
    after: string;
    maxKeys: number;
  }): Promise<string[][]> {
    const pages: string[][] = [];
    let marker: string | undefined = o.after;
    do {
      const page: ListObjectsCommandOutput = await bench().s3.send(
        new ListObjectsCommand({
          Bucket: bucket,
          Prefix: o.prefix,
          Delimiter: o.delimiter,
          MaxKeys: o.maxKeys,
          Marker: marker,
        }),
      );
      pages.push(rowsOf(page));
      marker = page.IsTruncated === true ? (page.NextMarker ?? page.Contents?.at(-1)?.Key) : undefined;
      if (page.IsTruncated === true && o.delimiter !== '') expect(page.NextMarker).toBeDefined();
    } while (marker !== undefined && pages.length <= 2 * KEYS.length);
    return pages;
  }

  const cases = PREFIXES.flatMap((prefix) => DELIMITERS.map((delimiter) => [prefix, delimiter] as const));

  test.each(cases)('prefix %j with delimiter %j, in pages of 1000 and of 2', async (prefix, delimiter) => {
    const wanted = model({ prefix, delimiter, after: '' });
    for (const maxKeys of quirks.wrongPages && delimiter !== '' ? [1000] : [1000, 2]) {
      for (const pages of [
        await pagesV2({ prefix, delimiter, after: '', maxKeys }),
        await pagesV1({ prefix, delimiter, after: '', maxKeys }),
      ]) {
        expect(pages.flat()).toEqual(wanted);
        expect(Math.max(...pages.map((page) => page.length))).toBeLessThanOrEqual(maxKeys);
      }
    }
  });

  test.each(['a', 'a/', 'a/b/3', 'b', 'zzz', '\u00fc/6'])('start-after and marker %j', async (after) => {
    const wanted = model({ prefix: '', delimiter: '', after });
    expect((await pagesV2({ prefix: '', delimiter: '', after, maxKeys: 4 })).flat()).toEqual(wanted);
    expect((await pagesV1({ prefix: '', delimiter: '', after, maxKeys: 4 })).flat()).toEqual(wanted);
  });

  test('max-keys=0 is an empty page that is not truncated', async () => {
    const page = await bench().s3.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 0 }));
    expect([page.KeyCount, page.IsTruncated ?? false, page.MaxKeys]).toEqual([0, false, 0]);
  });

  test.each(['-1', 'x', '1.5', '99999999999'])('max-keys=%s is InvalidArgument', async (value) => {
    const reply = await bench().send({ method: 'GET', path: `/${bucket}`, query: `list-type=2&max-keys=${value}` });
    expect([reply.status, reply.code]).toEqual([400, 'InvalidArgument']);
  });

  test('a page size above 1000 is 1000, and the request is echoed', async () => {
    const query = 'list-type=2&max-keys=5000&prefix=a%2F&delimiter=%2F&start-after=a%2F1&encoding-type=url';
    const document = (await bench().send({ method: 'GET', path: `/${bucket}`, query })).body.toString();
    for (const element of [
      '<MaxKeys>1000<',
      '<Prefix>a/<',
      '<Delimiter>/<',
      '<StartAfter>a/1<',
      '<EncodingType>url<',
      `<Name>${bucket}<`,
      '<IsTruncated>false<',
    ]) {
      expect(document).toContain(element);
    }
  });

  test('fetch-owner adds owners to V2; V1 always has them', async () => {
    const { send } = bench();
    const owners = (text: Buffer) => (text.toString().match(/<Owner>/g) ?? []).length;
    expect(owners((await send({ method: 'GET', path: `/${bucket}`, query: 'list-type=2' })).body)).toBe(0);
    expect(
      owners((await send({ method: 'GET', path: `/${bucket}`, query: 'list-type=2&fetch-owner=true' })).body),
    ).toBe(KEYS.length);
    expect(owners((await send({ method: 'GET', path: `/${bucket}` })).body)).toBe(KEYS.length);
  });

  test.each(['encoding-type=xml', 'list-type=3', 'list-type='])('%s is InvalidArgument', async (wrong) => {
    const query = wrong.startsWith('list-type') ? wrong : `list-type=2&${wrong}`;
    const reply = await bench().send({ method: 'GET', path: `/${bucket}`, query });
    expect([reply.status, reply.code]).toEqual([400, 'InvalidArgument']);
  });
}
