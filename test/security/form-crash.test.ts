/**
 * Anybody can send a form: its fields are read before the caller is known. Forms that break off, at every byte and in every
 * field, must each be refused, and none may leave an error behind that nobody listens to, which would end the process. Nor may
 * one hold a connection open for as long as it likes, nor many of them the memory.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { S3Error } from '../../proxy/errors.ts';
import { readForm } from '../../proxy/form/read-form.ts';
import { UNSIGNED_FORMS_AT_ONCE } from '../../proxy/limits.ts';
import { sharedBench } from '../helpers/bench.ts';
import { sendRaw } from '../helpers/raw-client.ts';

const BOUNDARY = 'limit';
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
const part = (head: string, value: string) =>
  `--${BOUNDARY}\r\nContent-Disposition: form-data; ${head}\r\n\r\n${value}`;
const KEY = `${part('name="key"', 'a')}\r\n`;
const WHOLE = `${KEY}${part('name="file"; filename="f"', 'contents')}\r\n--${BOUNDARY}--\r\n`;

const bench = sharedBench();
const unheard: unknown[] = [];
const note = (error: unknown) => void unheard.push(error);

beforeEach(() => {
  unheard.length = 0;
  process.on('uncaughtException', note);
});
afterEach(() => {
  process.off('uncaughtException', note);
});

function post(body: string) {
  const headers = [
    ['host', new URL(bench.proxy.endpoint).host],
    ['content-type', TYPE],
    ['content-length', String(Buffer.byteLength(body))],
    ['connection', 'close'],
  ] as const;
  return sendRaw(bench.proxy.endpoint, { method: 'POST', target: `/${bench.bucket}`, headers, body });
}

describe('an unsigned form', () => {
  test('that ends at any of its bytes is refused, and no error goes unheard', async () => {
    let sent = 0;
    for (let end = 0; end <= WHOLE.length; end++) {
      const reply = await post(WHOLE.slice(0, end));
      expect(reply.status, `cut at ${end}`).toBeGreaterThanOrEqual(400);
      expect(reply.status, `cut at ${end}`).toBeLessThan(500);
      sent += 1;
    }
    expect(sent).toBe(WHOLE.length + 1);
    expect(unheard).toEqual([]);
  });

  test.each([
    ['a file in a field of another name', `${KEY}${part('name="other"; filename="f"', 'contents')}`],
    ['two files', `${KEY}${part('name="file"; filename="f"', 'x')}\r\n${part('name="file"; filename="g"', 'y')}`],
    ['a file before every field', part('name="file"; filename="f"', 'x')],
  ])('with %s that breaks off', async (_what, body) => {
    expect((await post(body)).status).toBeLessThan(500);
    expect(unheard).toEqual([]);
  });
});

async function* pieces(...texts: readonly string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

describe('reading a form', () => {
  test('a file that broke off before anybody read it does not look whole', async () => {
    const form = await readForm(TYPE, pieces(`${KEY}${part('name="file"; filename="f"', 'contents')}`));
    await new Promise((resolve) => setImmediate(resolve));
    await expect(Array.fromAsync(form.file)).rejects.toMatchObject({ code: 'MalformedPOSTRequest' });
    expect(unheard).toEqual([]);
  });

  async function* endless(): AsyncGenerator<Buffer> {
    yield Buffer.from(KEY);
    await new Promise(() => {});
  }

  test('fields that never end are given up', async () => {
    const reading = readForm(TYPE, endless(), { timeoutMs: 20 });
    await expect(reading).rejects.toBeInstanceOf(S3Error);
    await expect(reading).rejects.toMatchObject({ code: 'RequestTimeout' });
  });

  test('so many from unknown senders are read at once, and no more until one of them is given up', async () => {
    const whole = () => readForm(TYPE, pieces(WHOLE));
    const readings = Array.from({ length: UNSIGNED_FORMS_AT_ONCE }, () =>
      readForm(TYPE, endless(), { timeoutMs: 200 }),
    );
    await expect(whole()).rejects.toMatchObject({ code: 'SlowDown', headers: { 'Retry-After': '1' } });
    const ends = await Promise.allSettled(readings);
    expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(UNSIGNED_FORMS_AT_ONCE);
    const forms = await Promise.all(Array.from({ length: UNSIGNED_FORMS_AT_ONCE }, whole));
    expect(forms.map(({ fields }) => fields.get('key'))).toEqual(forms.map(() => 'a'));
  });

  test('a form that cannot be read, or whose file has begun, takes no place', async () => {
    for (let i = 0; i <= UNSIGNED_FORMS_AT_ONCE; i++) {
      await expect(readForm('multipart/form-data', pieces(WHOLE))).rejects.toMatchObject({
        code: 'MalformedPOSTRequest',
      });
      await readForm(TYPE, pieces(WHOLE));
    }
  });
});
