/**
 * Keys are bytes of UTF-8 and nothing else: `..`, `//`, a leading slash, percent signs, control characters and 1,024 bytes
 * all name the object that they spell, in every operation, encoded listings and plain ones.
 */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { parseXml, type XmlNode } from '../../../proxy/xml/render-xml.ts';
import type { Bench } from '../../helpers/bench.ts';
import { md5Header, objectPath, percentEncode } from '../../helpers/raw-client.ts';
import type { Quirks } from './all.ts';

export const AWKWARD_KEYS = {
  'spaces and plus': 'a b+\u00fc%.txt',
  'two dots': '..',
  'one dot': '.',
  'climbing path': '../x',
  'dots inside': 'a/../../b/./c',
  'double slash': 'a//b',
  'leading slash': '/lead',
  'trailing slash': 'folder/',
  'only slashes': '//',
  'encoded slash': 'a%2Fb',
  'looks encoded': '%41%zz%',
  'query characters': 'a?b=c&d#e;f',
  'xml characters': '<a>&"\'</a>',
  'reserved characters': "!*'()~:@,$[]{}|\\^`",
  'control characters': 'tab\there\u0001\u001f',
  'line ends': 'cr\rlf\nend',
  emoji: 'smile \ud83d\ude00/\u2603',
  'combining characters': 'e\u0301 and \u00e9',
  'outermost code points': '\u007f\u0080\uffff\u{10ffff}',
  '1,024 bytes': `${'k'.repeat(500)}${'\u00fc'.repeat(262)}`,
} as const;

type Name = keyof typeof AWKWARD_KEYS;

/** XML 1.0 forbids some of their characters, by reference, too. */
const NOT_IN_XML: readonly Name[] = ['control characters', 'outermost code points'];

export function names(bench: () => Bench, quirks: Quirks): void {
  const all = Object.keys(AWKWARD_KEYS) as Name[];

  test.each(all.filter((name) => !quirks.unstorableKeys.includes(name)))(
    '%s: PUT, GET, HEAD, LIST, DELETE',
    async (name) => {
      const { send, bucket } = bench();
      const key = AWKWARD_KEYS[name];
      const path = objectPath(bucket, key);
      const body = `content of ${name}`;
      const etag = `"${createHash('md5').update(body).digest('hex')}"`;
      const put = await send({ method: 'PUT', path, body });
      expect([put.status, put.body.toString()]).toEqual([200, '']);
      expect((await send({ method: 'GET', path })).body.toString()).toBe(body);
      expect((await send({ method: 'HEAD', path })).headers['etag']).toBe(etag);
      const bucketPath = `/${bucket}`;
      const prefix = `prefix=${percentEncode(key)}`;
      for (const version of ['list-type=2&', '']) {
        const encoded = await send({ method: 'GET', path: bucketPath, query: `${version}encoding-type=url&${prefix}` });
        const decoded = rowOf(encoded.body, (text) => decodeURIComponent(text.replaceAll('+', ' ')), key);
        expect([decoded?.value('Size'), decoded?.value('ETag')]).toEqual([String(body.length), etag]);
        const plain = await send({ method: 'GET', path: bucketPath, query: `${version}${prefix}` });
        expect(rowOf(plain.body, (text) => text, key)?.value('ETag')).toBe(etag);
      }
      expect((await send({ method: 'DELETE', path })).status).toBe(204);
      expect((await send({ method: 'HEAD', path })).status).toBe(404);
    },
  );

  test.each(all.filter((name) => !quirks.unspellableKeys.includes(name)))(
    '%s: DeleteObjects removes exactly it, or nothing where XML cannot say it',
    async (name) => {
      const { send, bucket } = bench();
      const key = AWKWARD_KEYS[name];
      const keep = objectPath(bucket, 'kept beside it');
      await send({ method: 'PUT', path: keep, body: 'x' });
      await send({ method: 'PUT', path: objectPath(bucket, key), body: 'x' });
      const text = [...key].map((c) => `&#x${(c.codePointAt(0) ?? 0).toString(16)};`).join('');
      const body = `<Delete><Object><Key>${text}</Key></Object></Delete>`;
      const reply = await send({
        method: 'POST',
        path: `/${bucket}`,
        query: 'delete',
        headers: [md5Header(body)],
        body,
      });
      if (NOT_IN_XML.includes(name)) {
        expect([reply.status, reply.code]).toEqual([400, 'MalformedXML']);
        const named = quirks.unstorableKeys.includes(name) ? [] : [objectPath(bucket, key)];
        for (const path of [keep, ...named]) expect((await send({ method: 'HEAD', path })).status).toBe(200);
        expect((await send({ method: 'DELETE', path: objectPath(bucket, key) })).status).toBe(204);
        return;
      }
      expect(reply.status, reply.body.toString()).toBe(200);
      const deleted = parseXml(reply.body.toString(), 'DeleteResult').child('Deleted');
      expect(deleted?.value('Key')).toBe(key);
      expect((await send({ method: 'HEAD', path: objectPath(bucket, key) })).status).toBe(404);
      expect((await send({ method: 'HEAD', path: keep })).status).toBe(200);
    },
  );

  test('names that differ only in their encoding are different objects', async () => {
    const { send, bucket } = bench();
    const keys = [
      'n/a',
      'n//a',
      'n/./a',
      'n/%61',
      'n/A',
      '/n/a',
      'n/a/',
      'n/e\u0301',
      'n/\u00e9',
      'n/ ',
      'n/+',
      'n/%20',
    ];
    for (const key of keys)
      expect((await send({ method: 'PUT', path: objectPath(bucket, key), body: key })).status).toBe(200);
    for (const key of keys) {
      expect((await send({ method: 'GET', path: objectPath(bucket, key) })).body.toString('utf8')).toBe(key);
    }
    expect(new Set(keys).size).toBe(12);
  });

  test('an unencoded and an encoded target name the same object', async () => {
    const { send, bucket } = bench();
    await send({ method: 'PUT', path: `/${bucket}/un%65ncoded~*'()!`, body: 'x' });
    expect((await send({ method: 'HEAD', path: `/${bucket}/unencoded%7E%2a%27%28%29%21` })).status).toBe(200);
  });

  describe('keys that cannot be', () => {
    test.each(['PUT', 'GET', 'HEAD', 'DELETE'])('%s of 1,025 bytes is KeyTooLongError', async (method) => {
      const { send, bucket } = bench();
      const reply = await send({ method, path: objectPath(bucket, 'k'.repeat(1025)) });
      expect(reply.status).toBe(400);
      if (method !== 'HEAD') expect(reply.code).toBe('KeyTooLongError');
    });

    test.each(['%zz', '%', '%4', '%ff', '%c0%af', '%ed%a0%80'])('a target with %s is InvalidURI', async (bad) => {
      const { send, bucket } = bench();
      const reply = await send({ method: 'PUT', path: `/${bucket}/${bad}`, body: 'x' });
      expect([reply.status, reply.code]).toEqual([400, 'InvalidURI']);
    });
  });
}

function rowOf(document: Buffer, decode: (text: string) => string, key: string): XmlNode | undefined {
  const rows = parseXml(document.toString(), 'ListBucketResult').children('Contents');
  return rows.find((row) => decode(row.value('Key') ?? '') === key);
}
