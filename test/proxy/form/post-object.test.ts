/**
 * Protects browser form uploads (S3 API reference, "POST Object"): what the policy's signer allowed is stored, sealed, whatever
 * its size, and answered as the form asks; what grows too large or breaks off in the middle stores nothing.
 */

import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, openBench, temporaryStore } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { BOUNDARY, FORM_TYPE, type FormField } from '../../helpers/form.ts';
import { formPoster } from '../../helpers/form-poster.ts';
import { RawConnection } from '../../helpers/raw-client.ts';
import { storedObject } from '../../helpers/stored.ts';
import { strictBackend } from '../../helpers/strict-backend.ts';
import { openUploads, outcome } from '../../helpers/uploads.ts';

const SOURCE = randomBytes(20 * MiB + 3);
const md5 = (data: Buffer | string) => createHash('md5').update(data).digest('hex');

let bench: Bench;
beforeAll(async () => {
  const store = await temporaryStore();
  bench = await openBench({ store: { ...store, backend: strictBackend(store.backend, { equalParts: true }) } });
});
afterAll(() => bench.close());
const { formOf, post, read } = formPoster(() => bench);

/** Conditions for the fields that carry the signature. */
const SIGNED = ['algorithm', 'credential', 'date'].map((name) => ['starts-with', `$x-amz-${name}`, ''] as const);

describe('what is stored', () => {
  it.each([0, 1, 65_536, MiB - 1, MiB, MiB + 1, 8 * MiB + 5, 20 * MiB + 3])('a file of %i bytes', async (size) => {
    const content = SOURCE.subarray(0, size);
    const reply = await post({ fields: { key: 'sizes' }, file: { content } });
    expect([outcome(reply), reply.headers['etag']]).toEqual(['204', `"${md5(content)}"`]);
    const got = await read('sizes');
    expect([got.status, got.headers['etag'], got.headers['content-length']]).toEqual([
      200,
      `"${md5(content)}"`,
      String(size),
    ]);
    expect(got.body.equals(content)).toBe(true);
    const stored = await storedObject(bench.backend, bench.bucket, 'sizes');
    if (size >= 64) expect(stored.body.includes(content.subarray(0, 32))).toBe(false);
    expect(await openUploads(bench.backend, bench.bucket)).toEqual([]);
  });

  it('content headers, metadata and tags of the fields, sealed but for the tags', async () => {
    const tagging = '<Tagging><TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag></TagSet></Tagging>';
    const fields = {
      key: 'described',
      'Content-Type': 'text/x-form; charset=utf-8',
      'Cache-Control': 'max-age=3',
      'content-disposition': 'attachment; filename="ü.txt"',
      'x-amz-meta-Name': 'Grüße ☃',
      tagging,
      'x-ignore-this': 'no condition needed',
    };
    const named = Object.entries(fields).filter(([name]) => !name.startsWith('x-ignore-'));
    const conditions = [{ bucket: bench.bucket }, ...named.map(([name, value]) => ({ [name]: value })), ...SIGNED];
    expect(outcome(await post({ fields, conditions }))).toBe('204');
    const got = await read('described');
    const utf8 = (text: string) => Buffer.from(text).toString('latin1');
    expect(got.headers['content-type']).toBe(fields['Content-Type']);
    expect(got.headers['cache-control']).toBe('max-age=3');
    expect(got.headers['content-disposition']).toBe(utf8(fields['content-disposition']));
    expect(got.headers['x-amz-meta-name']).toBe('=?UTF-8?Q?Gr=C3=BC=C3=9Fe_=E2=98=83?=');
    expect(Object.keys(got.headers).some((name) => name.includes('ignore'))).toBe(false);
    const tags = await bench.send({ method: 'GET', path: `/${bench.bucket}/described`, query: 'tagging=' });
    expect(tags.body.toString()).toContain('<Key>a b</Key><Value>1&amp;2</Value>');
    const stored = JSON.stringify((await storedObject(bench.backend, bench.bucket, 'described')).headers);
    for (const secret of ['text/x-form', 'max-age=3', 'attachment', utf8('Grüße')])
      expect(stored).not.toContain(secret);
  });

  it('2 KB of metadata of a large file go into the footer', async () => {
    const value = 'v'.repeat(1990);
    const content = SOURCE.subarray(0, MiB + 9);
    expect(outcome(await post({ fields: { key: 'metadata', 'x-amz-meta-a': value }, file: { content } }))).toBe('204');
    const got = await read('metadata');
    expect([got.headers['x-amz-meta-a'], got.body.equals(content)]).toEqual([value, true]);
  });

  // biome-ignore lint/suspicious/noTemplateCurlyInString: the form's own placeholder
  const withName = 'user/${filename}';
  it.each([
    ['plain.txt', 'user/plain.txt'],
    ['a b+%2F ü.txt', 'user/a b+%2F ü.txt'],
    ['/etc/passwd', 'user/passwd'],
    ['C:\\temp\\x.txt', 'user/x.txt'],
  ])('the file name %j in the key', async (fileName, key) => {
    const conditions = [{ bucket: bench.bucket }, ['starts-with', '$key', 'user/'] as const, ...SIGNED];
    expect(outcome(await post({ fields: { key: withName }, conditions, file: { fileName } }))).toBe('204');
    expect((await read(key)).body.toString()).toBe('the file');
  });

  it('a file that is text without a file name, and a field that has one', async () => {
    expect(outcome(await post({ fields: { key: 'text' }, file: { fileName: undefined, content: 'as text' } }))).toBe(
      '204',
    );
    expect((await read('text')).body.toString()).toBe('as text');
    const body = (whole: Buffer) =>
      Buffer.from(whole.toString('latin1').replace('name="key"', 'name="key"; filename="k"'), 'latin1');
    expect(outcome(await post({ fields: { key: 'named field' }, body }))).toBe('204');
    expect((await read('named field')).body.toString()).toBe('the file');
  });

  it('a checksum field that holds', async () => {
    const sha256 = createHash('sha256').update('the file').digest('base64');
    const posted = await post({ fields: { key: 'summed', 'x-amz-checksum-sha256': sha256 } });
    expect(outcome(posted)).toBe('204');
    expect(posted.headers).toMatchObject({ 'x-amz-checksum-sha256': sha256, 'x-amz-checksum-type': 'FULL_OBJECT' });
    const head = await bench.send({
      method: 'HEAD',
      path: `/${bench.bucket}/summed`,
      headers: [['x-amz-checksum-mode', 'ENABLED']],
    });
    expect(head.headers['x-amz-checksum-sha256']).toBe(sha256);
  });

  it('what follows the file does not count', async () => {
    const after: FormField[] = [
      ['key', 'elsewhere'],
      ['submit', 'Upload'],
      ['acl', 'public-read'],
    ];
    expect(outcome(await post({ fields: { key: 'followed' }, after }))).toBe('204');
    expect((await read('followed')).body.toString()).toBe('the file');
    expect((await read('elsewhere')).status).toBe(404);
  });

  it('the first of two fields of one name counts', async () => {
    const change = (fields: Record<string, string>) => ({ ...fields, KEY: 'second' });
    expect(outcome(await post({ fields: { key: 'first' }, change }))).toBe('204');
    expect((await read('second')).status).toBe(404);
  });
});

describe('what is answered', () => {
  const etag = `"${md5('the file')}"`;
  const location = () => `${bench.proxy.endpoint}/${bench.bucket}/answered%20%C3%BC`;

  it.each([
    [undefined, 204],
    ['200', 200],
    ['201', 201],
    ['204', 204],
    ['404', 204],
    ['x', 204],
  ])('success_action_status %j', async (status, wanted) => {
    const asked = status === undefined ? {} : { success_action_status: status };
    const reply = await post({ fields: { key: 'answered ü', ...asked } });
    expect([reply.status, reply.headers['etag'], reply.headers['location']]).toEqual([wanted, etag, location()]);
    const text = reply.body.toString();
    expect(text.includes('<PostResponse')).toBe(wanted === 201);
    if (wanted === 201) {
      expect(text).toContain(`<Location>${location()}</Location><Bucket>${bench.bucket}</Bucket><Key>answered ü</Key>`);
      expect(reply.headers['content-type']).toBe('application/xml');
    }
  });

  it('success_action_redirect, with bucket, key and ETag behind its own query', async () => {
    const page = 'https://example.org/done?a=b';
    const reply = await post({ fields: { key: 'answered ü', success_action_redirect: page } });
    expect(reply.status).toBe(303);
    const target = new URL(String(reply.headers['location']));
    expect(target.href.startsWith(page)).toBe(true);
    const given = ['a', 'bucket', 'key', 'etag'].map((name) => target.searchParams.get(name));
    expect(given).toEqual(['b', bench.bucket, 'answered ü', etag]);
  });

  it.each(['no address', 'javascript:alert(1)', '//example.org', ''])(
    'the redirect %j is as if it were not there',
    async (page) => {
      const reply = await post({ fields: { key: 'answered ü', success_action_redirect: page } });
      expect([reply.status, reply.headers['location']]).toEqual([204, location()]);
    },
  );
});

describe('a form that goes on', () => {
  it('a file that grows beyond its range is refused while it comes, and its upload aborted', async () => {
    const content = SOURCE.subarray(0, 12 * MiB);
    const { result, requests } = await bench.watch(() =>
      post({ fields: { key: 'grown' }, further: [['content-length-range', 0, 10 * MiB]], file: { content } }),
    );
    expect(outcome(result)).toBe('400 EntityTooLarge');
    expect(requests.map(({ method, query }) => `${method} ${Object.keys(query)[0] ?? ''}`)).toEqual([
      'POST uploads',
      'PUT partNumber',
      'DELETE uploadId',
    ]);
    expect((await read('grown')).status).toBe(404);
    expect(await openUploads(bench.backend, bench.bucket)).toEqual([]);
  });

  it('a client that goes away in the middle leaves nothing', async () => {
    const whole = formOf({ fields: { key: 'gone' }, file: { content: SOURCE.subarray(0, 12 * MiB) } });
    const connection = await RawConnection.open(bench.proxy.endpoint);
    const mark = bench.backend.requests.length;
    const ended = () =>
      bench.backend
        .since(mark, bench.bucket)
        .some(({ method, query, status }) => method === 'DELETE' && 'uploadId' in query && status === 204);
    const host = new URL(bench.proxy.endpoint).host;
    connection.write(
      `POST /${bench.bucket} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${FORM_TYPE}\r\nContent-Length: ${whole.length}\r\n\r\n`,
    );
    connection.write(whole.subarray(0, 10 * MiB));
    const begun = () =>
      bench.backend.since(mark, bench.bucket).some(({ query, status }) => 'partNumber' in query && status === 200);
    await expect.poll(begun, { timeout: 10_000 }).toBe(true);
    connection.close();
    await expect.poll(ended, { timeout: 10_000 }).toBe(true);
    expect((await read('gone')).status).toBe(404);
    expect(await openUploads(bench.backend, bench.bucket)).toEqual([]);
  });

  it('waits for 100 Continue, and the connection serves the next request', async () => {
    const body = formOf({ fields: { key: 'continued' } });
    const connection = await RawConnection.open(bench.proxy.endpoint);
    const host = new URL(bench.proxy.endpoint).host;
    const head = (more: string) =>
      `POST /${bench.bucket} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${FORM_TYPE}\r\nContent-Length: ${body.length}\r\n${more}\r\n`;
    connection.write(head('Expect: 100-continue\r\n'));
    expect(await connection.until(/100 Continue\r\n\r\n/)).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\n$/);
    connection.write(body);
    await connection.until(/HTTP\/1.1 204 /);
    connection.write(head(''));
    connection.write(body);
    await connection.until(/HTTP\/1.1 204 [\s\S]*HTTP\/1.1 204 /);
    connection.close();
    expect((await read('continued')).body.toString()).toBe('the file');
  });

  it('a refused form is answered while its file still comes', async () => {
    const whole = formOf({
      change: (fields) => ({ ...fields, key: 'other' }),
      file: { content: SOURCE.subarray(0, 4 * MiB) },
    });
    const connection = await RawConnection.open(bench.proxy.endpoint);
    const host = new URL(bench.proxy.endpoint).host;
    connection.write(
      `POST /${bench.bucket} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${FORM_TYPE}\r\nContent-Length: ${whole.length}\r\n\r\n`,
    );
    connection.write(whole.subarray(0, MiB));
    expect(await connection.until(/<\/Error>/)).toContain('<Code>AccessDenied</Code>');
    // What is left of it is read and dropped, and the connection goes on.
    connection.write(whole.subarray(MiB));
    connection.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await connection.until(/<\/Error>[\s\S]*HTTP\/1.1 403 [\s\S]*<\/Error>/);
    connection.close();
  });

  it('fields that never end are refused', async () => {
    const connection = await RawConnection.open(bench.proxy.endpoint);
    const host = new URL(bench.proxy.endpoint).host;
    connection.write(
      `POST /${bench.bucket} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${FORM_TYPE}\r\nContent-Length: 99999999\r\n\r\n`,
    );
    // A part without a disposition is no field, and may be as long as it likes to the parser.
    connection.write(`--${BOUNDARY}\r\nContent-Type: text/plain\r\n\r\n`);
    for (let sent = 0; sent < 20; sent++) connection.write(Buffer.alloc(16 * 1024, 'x'));
    expect(await connection.until(/<\/Error>/)).toContain('MaxPostPreDataLengthExceededError');
    connection.close();
  });
});
