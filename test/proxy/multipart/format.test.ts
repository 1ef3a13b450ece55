/**
 * Protects crypto/FORMAT.md section 9.2 from saying other than what is stored: record, receipts and staged parts are opened here
 * by hand, from the document alone.
 */
import { createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { Dek } from '../../../crypto/dek.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { storedKeys, storedObject } from '../../helpers/stored.ts';
import { beginUpload, MIN_PART, type Upload } from '../../helpers/uploads.ts';

const STATE = 'sealgate-state';

const lp = (data: Buffer | string): Buffer => {
  const bytes = Buffer.from(data);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};
const ctx = (...fields: (Buffer | string)[]) =>
  createHash('sha256')
    .update(Buffer.concat(fields.map(lp)))
    .digest();

/** A message under a key that the DEK, a label, a salt and context fields give, with the nonce of zeros. */
function open(
  dek: Buffer,
  o: { label: string; salt: Buffer; sealed: Buffer; fields: Buffer[]; nonce?: Buffer },
): Buffer {
  const info = Buffer.concat([lp(o.label), ctx(...o.fields)]);
  const key = Buffer.from(hkdfSync('sha256', dek, o.salt, info, 32));
  const decipher = createDecipheriv('aes-256-gcm', key, o.nonce ?? Buffer.alloc(12), { authTagLength: 16 });
  decipher.setAuthTag(o.sealed.subarray(-16));
  return Buffer.concat([decipher.update(o.sealed.subarray(0, -16)), decipher.final()]);
}

const openBox = (dek: Buffer, label: string, fields: Buffer[], box: Buffer): Record<string, unknown> =>
  JSON.parse(open(dek, { label, salt: box.subarray(0, 32), sealed: box.subarray(32), fields }).toString());

describe('uploads in progress', () => {
  const bench = sharedBench();
  let dek: Buffer;
  let upload: Upload;
  let prefix: string;
  const small = randomBytes(1000);
  const large = randomBytes(MIN_PART);
  const name = () => ctx(bench.bucket, upload.key, upload.id);
  const read = async (key: string) => (await storedObject(bench.backend, STATE, key)).body;

  beforeAll(async () => {
    const make = Dek.fromBytes;
    const spy = vi.spyOn(Dek, 'fromBytes').mockImplementation((raw) => {
      dek = Buffer.from(raw);
      return make(raw);
    });
    upload = await beginUpload(bench, 'formats/ü', [
      ['x-amz-checksum-algorithm', 'SHA256'],
      ['content-type', 'a/b'],
      ['x-amz-meta-one', 'caf\u00e9'],
    ]);
    spy.mockRestore();
    prefix = `uploads/${name().toString('hex')}/`;
    await upload.put(1, large);
    await upload.put(2, small);
  });

  it('stand under the names that the document gives', async () => {
    const names = (await storedKeys(bench.backend, STATE)).filter((key) => key.startsWith('uploads/'));
    const kinds = names.map((key) => {
      expect(key.startsWith(prefix)).toBe(true);
      return key.slice(prefix.length).replace(/-.*$/, '');
    });
    expect(kinds.sort()).toEqual(['receipts/00001', 'receipts/00002', 'record', 'staged/00002']);
  });

  it('have a record as described', async () => {
    const record = JSON.parse((await read(`${prefix}record`)).toString());
    expect(Object.keys(record).sort()).toEqual(['bucket', 'created', 'format', 'header', 'key', 'sealed', 'uploadId']);
    expect(record).toMatchObject({ format: 1, bucket: bench.bucket, key: upload.key, uploadId: upload.id });
    expect(record.created).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Object.keys(record.header).sort()).toEqual(['enc-algo', 'enc-attrs', 'enc-dek', 'enc-tenant']);
    const field = Buffer.from(record.header['enc-dek'], 'base64url');
    expect(field[0]).toBe(2);
    const binding = field.subarray(38, 54);
    const box = Buffer.from(record.sealed, 'base64url');
    expect(openBox(dek, 'sealgate/1/upload-record', [name(), binding], box)).toEqual({
      headers: [['content-type', 'a/b']],
      metadata: [['one', 'caf\u00e9']],
      inFooter: false,
      checksum: { algorithm: 'SHA256', type: 'COMPOSITE' },
    });
    expect(() => openBox(dek, 'sealgate/1/upload-record', [name(), Buffer.alloc(16)], box)).toThrow();
    expect(() => openBox(dek, 'sealgate/1/upload-receipt', [name(), binding], box)).toThrow();
    expect(() =>
      openBox(dek, 'sealgate/1/upload-record', [ctx(bench.bucket, upload.key, 'other'), binding], box),
    ).toThrow();
  });

  it('have receipts as described, and staged parts that are parts', async () => {
    const names = (await storedKeys(bench.backend, STATE)).filter((key) => key.startsWith(`${prefix}receipts/`));
    const receipts = names.map((key) => {
      const text = key.slice(`${prefix}receipts/00000-`.length);
      expect(
        text
          .split('/')
          .slice(0, -1)
          .every((piece) => piece.length === 200),
      ).toBe(true);
      return openBox(dek, 'sealgate/1/upload-receipt', [name()], Buffer.from(text.replaceAll('/', ''), 'base64url'));
    });
    const digest = (algorithm: string, body: Buffer) => createHash(algorithm).update(body).digest('base64url');
    const of = (n: number, body: Buffer) => ({ n, b: body.length, m: digest('md5', body), c: digest('sha256', body) });
    expect(receipts[0]).toMatchObject(of(1, large));
    expect(receipts[1]).toMatchObject(of(2, small));
    expect(receipts.map((receipt) => Object.keys(receipt).sort().join(''))).toEqual(['bcemnst', 'bcegmnst']);
    expect(receipts[0]?.['e']).toMatch(/^"[0-9a-f]{32}"$/);
    const staged = String(receipts[1]?.['g']);
    const sealed = await read(staged);
    const salt = Buffer.from(String(receipts[1]?.['s']), 'base64url');
    expect(sealed.subarray(16, 48).equals(salt)).toBe(true);
    const fields = [Buffer.from([2]), Buffer.from([0, 2])];
    const nonce = Buffer.from('000000000000000000000001', 'hex');
    expect(
      open(dek, { label: 'sealgate/1/part', salt, sealed: sealed.subarray(48), fields, nonce }).equals(small),
    ).toBe(true);
  });

  it('are described by a document that names every member', async () => {
    const document = await readFile(new URL('../../../crypto/FORMAT.md', import.meta.url), 'utf8');
    const section = document.slice(document.indexOf('### 9.2'), document.indexOf('## 10.'));
    const members = [
      'format',
      'bucket',
      'key',
      'uploadId',
      'created',
      'header',
      'sealed',
      'headers',
      'metadata',
      'inFooter',
    ];
    for (const member of [...members, 'checksum', ...'nbsmcegt']) expect(section).toContain(`\`${member}\``);
    for (const label of ['upload-record', 'upload-receipt']) expect(section).toContain(`sealgate/1/${label}`);
  });
});
