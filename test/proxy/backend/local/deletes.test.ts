// Protects: DeleteObject and DeleteObjects: idempotence, quiet mode, one failure among many, S3's limits.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { escapeXml } from '../../../../proxy/xml/render-xml.ts';
import { md5, md5Base64, openTestStore, type TestStore } from './harness.ts';

const bucket = 'deletes';
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore({ bucket });
});
afterAll(() => store[Symbol.asyncDispose]());

const deleteAll = (document: string) =>
  store.post({
    bucket,
    query: { delete: '' },
    body: document,
    headers: { 'content-md5': md5Base64(document) },
  });

const named = (key: string, more = '') => `<Object><Key>${escapeXml(key)}</Key>${more}</Object>`;

test('deleting is idempotent', async () => {
  await store.put({ bucket, key: 'k', body: 'x' });
  for (let i = 0; i < 2; i++) {
    const answer = await store.delete({ bucket, key: 'k' });
    expect([answer.status, answer.bytes.length, answer.headers['x-amz-version-id']]).toEqual([204, 0, undefined]);
  }
  expect((await store.get({ bucket, key: 'k' })).code).toBe('NoSuchKey');
  await store.put({ bucket, key: 'k', body: 'x' });
  expect((await store.delete({ bucket, key: 'k', query: { versionId: 'null' } })).status).toBe(204);
  expect((await store.head({ bucket, key: 'k' })).status).toBe(404);
  expect((await store.delete({ bucket, key: 'k', query: { versionId: 'nonsense' } })).code).toBe('InvalidArgument');
});

test('many at once, each on its own', async () => {
  const keys = ['a', 'b & <c>', ' white space ', 'ü/../x', 'not there'];
  for (const key of keys.slice(0, 4)) await store.put({ bucket, key, body: key });
  await store.put({ bucket, key: 'guarded', body: 'guarded' });
  const answer = await deleteAll(
    `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${keys.map((key) => named(key)).join('')}${[
      named('guarded', `<ETag>"${md5('other')}"</ETag>`),
      named('x'.repeat(1025)),
      named('bad version', '<VersionId>1</VersionId>'),
      named('directory bucket', '<Size>1</Size>'),
    ].join('')}</Delete>`,
  );
  expect(answer.status).toBe(200);
  expect(answer.xml.children('Deleted').map((row) => row.value('Key'))).toEqual(keys);
  expect(answer.xml.children('Error').map((row) => row.value('Code'))).toEqual([
    'PreconditionFailed',
    'KeyTooLongError',
    'InvalidArgument',
    'NotImplemented',
  ]);
  for (const key of keys) expect((await store.head({ bucket, key })).status).toBe(404);
  expect((await store.head({ bucket, key: 'guarded' })).status).toBe(200);
  const etag = `<ETag>${md5('guarded')}</ETag>`;
  expect((await deleteAll(`<Delete>${named('guarded', etag)}</Delete>`)).xml.children('Deleted')).toHaveLength(1);
});

test('quiet mode names failures only', async () => {
  await store.put({ bucket, key: 'q', body: 'x' });
  const failing = named('q', '<ETag>"0"</ETag>');
  const answer = await deleteAll(`<Delete><Quiet>true</Quiet>${named('gone')}${failing}</Delete>`);
  expect(answer.xml.children('Deleted')).toEqual([]);
  expect(answer.xml.children('Error').map((row) => row.value('Key'))).toEqual(['q']);
});

test('1,000 keys are taken, none and 1,001 are not', async () => {
  const keys = (n: number) => Array.from({ length: n }, (_, i) => named(`many/${i}`)).join('');
  expect((await deleteAll(`<Delete>${keys(1000)}</Delete>`)).xml.children('Deleted')).toHaveLength(1000);
  for (const document of [`<Delete>${keys(1001)}</Delete>`, '<Delete></Delete>', '<Other/>', 'not XML']) {
    expect((await deleteAll(document)).code).toBe('MalformedXML');
  }
});

test('the document’s digest is required and checked', async () => {
  const body = `<Delete>${named('k')}</Delete>`;
  const send = (headers: Record<string, string>) => store.post({ bucket, query: { delete: '' }, body, headers });
  expect((await send({})).code).toBe('InvalidRequest');
  expect((await send({ 'content-md5': md5Base64('x') })).code).toBe('BadDigest');
});

test('a key with a character that XML forbids: MalformedXML, and nothing of the list is deleted', async () => {
  await store.put({ bucket, key: 'beside', body: 'x' });
  for (const key of ['a\u0001', '\u0000', 'a\u001fb', '\ufffe', '\uffff']) {
    for (const spelling of [key, escapeXml(key)]) {
      const answer = await deleteAll(`<Delete>${named('beside')}<Object><Key>${spelling}</Key></Object></Delete>`);
      expect([spelling, answer.status, answer.code]).toEqual([spelling, 400, 'MalformedXML']);
    }
  }
  expect((await store.head({ bucket, key: 'beside' })).status).toBe(200);
  // Characters of XML, by reference or as they are.
  await store.put({ bucket, key: 'tab\tand\u007f', body: 'x' });
  expect((await deleteAll(`<Delete>${named('tab\tand\u007f')}</Delete>`)).xml.children('Deleted')).toHaveLength(1);
  expect((await store.head({ bucket, key: 'tab\tand\u007f' })).status).toBe(404);
});
