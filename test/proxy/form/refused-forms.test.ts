/**
 * Protects against forms that nobody allowed: what breaks a condition of the policy, its signature or its form stores nothing, and
 * no form reaches another operation.
 */

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, openBench, temporaryStore } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { BOUNDARY, FORM_TYPE } from '../../helpers/form.ts';
import { formPoster, type Posted } from '../../helpers/form-poster.ts';
import { fingerprintOf, storedKeys } from '../../helpers/stored.ts';
import { strictBackend } from '../../helpers/strict-backend.ts';
import { openUploads, outcome } from '../../helpers/uploads.ts';

const SOURCE = randomBytes(20 * MiB + 3);

let bench: Bench;
beforeAll(async () => {
  const store = await temporaryStore();
  bench = await openBench({ store: { ...store, backend: strictBackend(store.backend, { equalParts: true }) } });
});
afterAll(() => bench.close());
const { formOf, post, read } = formPoster(() => bench);

describe('what is refused, and stores nothing', () => {
  const REFUSED: readonly [name: string, form: () => Posted, wanted: string][] = [
    [
      'a policy that has expired',
      () => ({ expiration: new Date(Date.now() - 1000).toISOString() }),
      '403 AccessDenied',
    ],
    ['another key', () => ({ change: (fields) => ({ ...fields, key: 'other' }) }), '403 AccessDenied'],
    [
      'a field that the policy does not name',
      () => ({ change: (fields) => ({ ...fields, acl: 'private' }) }),
      '403 AccessDenied',
    ],
    ['a policy for another bucket', () => ({ bucket: 'another-bucket' }), '403 AccessDenied'],
    [
      'another policy',
      () => ({ change: (fields) => ({ ...fields, policy: `${fields['policy']}A` }) }),
      '403 SignatureDoesNotMatch',
    ],
    [
      'a signature of another key',
      () => ({ change: (fields) => ({ ...fields, 'x-amz-signature': 'a'.repeat(64) }) }),
      '403 SignatureDoesNotMatch',
    ],
    [
      'a short signature',
      () => ({ change: (fields) => ({ ...fields, 'x-amz-signature': 'ab' }) }),
      '403 SignatureDoesNotMatch',
    ],
    ['no signature', () => ({ change: without('x-amz-signature') }), '400 InvalidArgument'],
    ['no credential', () => ({ change: without('x-amz-credential') }), '400 InvalidArgument'],
    ['no date', () => ({ change: without('x-amz-date') }), '400 InvalidArgument'],
    ['no policy', () => ({ change: without('policy') }), '403 AccessDenied'],
    ['no key', () => ({ change: without('key') }), '400 InvalidArgument'],
    ['an empty key', () => ({ fields: { key: '' } }), '400 InvalidArgument'],
    ['too long a key', () => ({ fields: { key: 'k'.repeat(1025) } }), '400 KeyTooLongError'],
    ['another service', () => ({ service: 'sts' }), '400 AuthorizationQueryParametersError'],
    [
      'Signature Version 2',
      () => ({
        change: (fields) => ({ policy: fields['policy'] ?? '', AWSAccessKeyId: 'AKIA', signature: 'x', key: 'posted' }),
      }),
      '400 InvalidRequest',
    ],
    [
      'another algorithm',
      () => ({ change: (fields) => ({ ...fields, 'x-amz-algorithm': 'AWS4-ECDSA' }) }),
      '400 InvalidArgument',
    ],
    ['a file below the range', () => ({ further: [['content-length-range', 9, 20]] }), '400 EntityTooSmall'],
    ['a file above the range', () => ({ further: [['content-length-range', 0, 7]] }), '400 EntityTooLarge'],
    ['a wrong checksum', () => ({ fields: { key: 'posted', 'x-amz-checksum-crc32': 'AAAAAA==' } }), '400 BadDigest'],
    [
      'a malformed checksum',
      () => ({ fields: { key: 'posted', 'x-amz-checksum-crc32': 'AAA' } }),
      '400 InvalidRequest',
    ],
    [
      'metadata that no header can hold',
      () => ({ fields: { key: 'posted', 'x-amz-meta-a': 'two\r\nlines' } }),
      '400 InvalidArgument',
    ],
    [
      'a metadata name that no header can have',
      () => ({ fields: { key: 'posted', 'x-amz-meta-a b': 'c' } }),
      '400 InvalidArgument',
    ],
    [
      'too much metadata',
      () => ({ fields: { key: 'posted', 'x-amz-meta-a': 'x'.repeat(2048) } }),
      '400 MetadataTooLarge',
    ],
    [
      'fields of more than 20 KiB',
      () => ({ fields: { key: 'posted', 'x-amz-meta-a': 'x'.repeat(20_500) } }),
      '400 MaxPostPreDataLengthExceededError',
    ],
    ['tags that are no XML', () => ({ fields: { key: 'posted', tagging: 'a=b' } }), '400 MalformedXML'],
    [
      'a customer key',
      () => ({ fields: { key: 'posted', 'x-amz-server-side-encryption-customer-key': 'a' } }),
      '501 NotImplemented',
    ],
    [
      'no file',
      () => ({
        body: (whole) => Buffer.from(whole.toString('latin1').replace('name="file"', 'name="other"'), 'latin1'),
      }),
      '400 InvalidArgument',
    ],
    ['two files', () => ({ after: [['file', 'second']] }), '400 InvalidArgument'],
    ['no end', () => ({ body: (whole) => whole.subarray(0, -BOUNDARY.length - 8) }), '400 MalformedPOSTRequest'],
    ['a last boundary that is cut', () => ({ body: (whole) => whole.subarray(0, -4) }), '400 MalformedPOSTRequest'],
    ['nothing but an end', () => ({ body: () => Buffer.from(`--${BOUNDARY}--\r\n`) }), '400 InvalidArgument'],
    ['an empty body', () => ({ body: () => Buffer.alloc(0) }), '400 MalformedPOSTRequest'],
    [
      'another boundary',
      () => ({ body: (whole) => Buffer.from(whole.toString('latin1').replaceAll(BOUNDARY, 'xyz'), 'latin1') }),
      '400 MalformedPOSTRequest',
    ],
    [
      'a part without a name',
      () => ({ body: (whole) => Buffer.from(whole.toString('latin1').replace('; name="key"', ''), 'latin1') }),
      '400 MalformedPOSTRequest',
    ],
  ];
  const without = (name: string) => (fields: Record<string, string>) =>
    Object.fromEntries(Object.entries(fields).filter(([one]) => one !== name));

  it.each(REFUSED)('%s', async (_name, form, wanted) => {
    const before = await storedKeys(bench.backend, bench.bucket);
    expect(outcome(await post(form()))).toBe(wanted);
    expect(await storedKeys(bench.backend, bench.bucket)).toEqual(before);
    expect(await openUploads(bench.backend, bench.bucket)).toEqual([]);
  });

  it('200 fields in front of the file, and not one more', async () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`x-ignore-${at}`, '']));
    const change = (count: number) => (fields: Record<string, string>) => ({
      ...fields,
      ...many(count - Object.keys(fields).length),
    });
    expect(outcome(await post({ fields: { key: 'many' }, change: change(200) }))).toBe('204');
    expect(outcome(await post({ fields: { key: 'more' }, change: change(201) }))).toBe(
      '400 MaxPostPreDataLengthExceededError',
    );
    expect((await read('more')).status).toBe(404);
  });

  it('both ends of a range of lengths are within it', async () => {
    for (const length of [5, 10]) {
      const further = [['content-length-range', 5, 10]] as const;
      const file = { content: SOURCE.subarray(0, length) };
      expect(outcome(await post({ fields: { key: 'ends' }, further, file }))).toBe('204');
    }
  });

  it.each([
    ['is read-only', { bucket: '*', prefix: '', access: 'read-only' }],
    ['is for another prefix', { bucket: '*', prefix: 'other/', access: 'read-write' }],
    ['is for another bucket', { bucket: 'another', prefix: '', access: 'read-write' }],
  ] as const)('a key that %s', async (_name, grant) => {
    const as = await bench.proxy.createTenant([grant]);
    expect(outcome(await post({ as, fields: { key: 'granted' } }))).toBe('403 AccessDenied');
    expect((await read('granted')).status).toBe(404);
    if (grant.bucket !== '*' || grant.prefix === '') return;
    expect(outcome(await post({ as, fields: { key: 'other/x' } }))).toBe('204');
  });

  it('the state bucket', async () => {
    const before = await fingerprintOf(bench.backend, 'sealgate-state');
    const reply = await post(
      { bucket: 'sealgate-state', fields: { key: 'keyrings/x.json' } },
      { target: '/sealgate-state' },
    );
    expect(outcome(reply)).toBe('403 AccessDenied');
    expect(await fingerprintOf(bench.backend, 'sealgate-state')).toEqual(before);
  });
});

describe('no form reaches another operation', () => {
  it.each([
    ['POST', '?delete'],
    ['POST', '?delete='],
    ['POST', '/key?uploads'],
    ['POST', '/key?uploadId=x'],
    ['POST', '/key?restore'],
    ['POST', '/key?select&select-type=2'],
    ['POST', '/key'],
    ['POST', '?acl'],
    ['POST', '?tagging'],
    ['POST', '?versions'],
    ['PUT', ''],
    ['PUT', '/key'],
    ['DELETE', ''],
    ['GET', ''],
  ])('%s BUCKET%s', async (method, rest) => {
    const before = await fingerprintOf(bench.backend, bench.bucket);
    const reply = await post({ fields: { key: 'reached' } }, { method, target: `/${bench.bucket}${rest}` });
    expect(reply.status).toBeGreaterThanOrEqual(400);
    expect(reply.status).toBeLessThan(502);
    expect(await fingerprintOf(bench.backend, bench.bucket)).toEqual(before);
  });

  it('a parameter that a form does not know is refused, not ignored', async () => {
    expect(
      (await post({ fields: { key: 'extra' } }, { target: `/${bench.bucket}?unknown=1` })).status,
    ).toBeGreaterThanOrEqual(400);
    expect((await read('extra')).status).toBe(404);
  });

  it('a signed request with a form content type is no form upload', async () => {
    const body = formOf({ fields: { key: 'signed' }, change: (fields) => ({ key: fields['key'] ?? '' }) });
    const reply = await bench.send({
      method: 'POST',
      path: `/${bench.bucket}`,
      headers: [['content-type', FORM_TYPE]],
      body,
    });
    expect(outcome(reply)).toBe('403 AccessDenied');
    expect((await read('signed')).status).toBe(404);
  });
});
