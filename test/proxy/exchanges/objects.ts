/** Exchanges among the pieces of stored objects, by the names that the table in crypto/FORMAT.md gives them. */
import { parseLocator } from '../../../crypto/footer.ts';
import { LOCATOR_BYTES, PART_HEADER_BYTES, SEALED_SEGMENT_BYTES, sealedPartBytes } from '../../../crypto/layout.ts';
import { errorReply } from '../../helpers/backend-reply.ts';
import { sendSigned } from '../../helpers/raw-client.ts';
import type { StoredCopy } from '../../helpers/stored.ts';
import { beginUpload, uploaded } from '../../helpers/uploads.ts';
import { copyTo, type Exchange, long, put, REPLACE, secretBytes, store, stored, type World } from './harness.ts';

const MiB = 1024 * 1024;
const PART = 5 * MiB;
const TAMPERED = { refused: 'object-tampered' } as const;
/** The attributes are right, so a HEAD answers with them; the body is not theirs. */
const BODY_TAMPERED = { ...TAMPERED, head: 'answers' } as const;

interface Footered {
  readonly parts: Buffer;
  readonly pad: Buffer;
  readonly table: Buffer;
  readonly box: Buffer;
  readonly locator: Buffer;
}

/** The pieces of a body, whose parts have these sizes. */
function piecesOf({ body }: StoredCopy, sizes: readonly number[]): Footered {
  const { endBytes, tableBytes } = parseLocator(body);
  const padAt = sizes.reduce((sum, size) => sum + sealedPartBytes(size), 0);
  const tableAt = body.length - endBytes;
  return {
    parts: body.subarray(0, padAt),
    pad: body.subarray(padAt, tableAt),
    table: body.subarray(tableAt, tableAt + tableBytes),
    box: body.subarray(tableAt + tableBytes, -LOCATOR_BYTES),
    locator: body.subarray(-LOCATOR_BYTES),
  };
}

const bodyOf = (o: Footered): Buffer => Buffer.concat([o.parts, o.pad, o.table, o.box, o.locator]);

/** Two objects of one shape, each with a secret of its own. */
async function two(world: World, row: string, o: { bytes: number; long?: boolean }) {
  const keys = [`${row}/x`, `${row}/y`] as const;
  for (const key of keys) {
    const headers = o.long === true ? [long(key.slice(-1))] : [['x-amz-meta-own', key] as const];
    await put(world, key, { body: secretBytes(o.bytes), headers });
  }
  return { x: await stored(world, keys[0]), y: await stored(world, keys[1]), key: keys[0] };
}

/** An object, and what it is after its metadata were replaced: both under one data key. */
async function states(world: World, row: string, o: { bytes: number; to: 'header' | 'footer' }) {
  const key = `${row}/x`;
  await put(world, key, {
    body: secretBytes(o.bytes),
    headers: [o.to === 'footer' ? long('1') : ['x-amz-meta-n', '1']],
  });
  const older = await stored(world, key);
  await copyTo(world, key, key, [REPLACE, o.to === 'footer' ? long('2') : ['x-amz-meta-n', '2']]);
  return { key, older, newer: await stored(world, key) };
}

async function twoUploads(world: World, row: string, sizes: readonly number[]) {
  const keys = [`${row}/x`, `${row}/y`] as const;
  const make = (key: string) => uploaded(world.bench, key, sizes.map(secretBytes));
  for (const key of keys) await make(key);
  const [x, y] = [await stored(world, keys[0]), await stored(world, keys[1])];
  return { key: keys[0], x, y, pieces: piecesOf(x, sizes), others: piecesOf(y, sizes) };
}

export const OBJECT_EXCHANGES: Readonly<Record<string, Exchange>> = {
  async 'object-of-name'(world) {
    const { y, key } = await two(world, 'object-of-name', { bytes: 1000 });
    await store(world, key, y);
    return { key, ...TAMPERED };
  },
  async 'object-of-bucket'(world) {
    const bucket = `${world.bench.bucket}-2`;
    await world.bench.send({ method: 'PUT', path: `/${bucket}` });
    const key = 'object-of-bucket';
    await put(world, key, { body: secretBytes(1000), bucket });
    await store(world, key, await stored(world, key, bucket));
    return { key, ...TAMPERED };
  },
  async 'object-of-tenant'(world) {
    const stranger = await world.bench.proxy.createTenant();
    const key = 'object-of-tenant';
    await put(world, key, { body: secretBytes(1000), send: (request) => world.bench.send(request, stranger) });
    return { key, refused: 'foreign-object' };
  },
  async 'enc-tenant'(world) {
    const { bench } = world;
    const stranger = await bench.proxy.createTenant();
    const key = 'enc-tenant';
    const send = (request: Parameters<typeof bench.send>[0]) => sendSigned(bench.proxy.endpoint, stranger, request);
    await put(world, key, { body: secretBytes(1000), send });
    const { body, metadata } = await stored(world, key);
    await store(world, key, { body, metadata: { ...metadata, 'enc-tenant': bench.tenant.tenant } });
    return { key, ...TAMPERED };
  },
  async 'enc-dek-of-copy'(world) {
    const key = 'enc-dek-of-copy/x';
    await put(world, key, { body: secretBytes(1000) });
    await copyTo(world, key, 'enc-dek-of-copy/y', []);
    const [x, y] = [await stored(world, key), await stored(world, 'enc-dek-of-copy/y')];
    await store(world, key, { ...x, metadata: { ...x.metadata, 'enc-dek': y.metadata['enc-dek'] ?? '' } });
    return { key, ...TAMPERED };
  },
  async 'enc-attrs-of-copy'(world) {
    const key = 'enc-attrs-of-copy/x';
    await put(world, key, { body: secretBytes(1000) });
    await copyTo(world, key, 'enc-attrs-of-copy/y', [REPLACE, ['x-amz-meta-n', '2']]);
    const [x, y] = [await stored(world, key), await stored(world, 'enc-attrs-of-copy/y')];
    await store(world, key, { ...x, metadata: { ...x.metadata, 'enc-attrs': y.metadata['enc-attrs'] ?? '' } });
    return { key, ...TAMPERED };
  },
  async 'enc-attrs-of-state'(world) {
    const { key, older, newer } = await states(world, 'enc-attrs-of-state', { bytes: 1000, to: 'header' });
    const metadata = { ...newer.metadata, 'enc-attrs': older.metadata['enc-attrs'] ?? '' };
    await store(world, key, { ...newer, metadata });
    return { key, ...TAMPERED };
  },
  async 'enc-attrs-of-footer'(world) {
    const key = 'enc-attrs-of-footer';
    await uploaded(world.bench, key, [secretBytes(1000)]);
    const x = await stored(world, key);
    const { box } = piecesOf(x, [1000]);
    await store(world, key, { ...x, metadata: { ...x.metadata, 'enc-attrs': box.toString('base64url') } });
    return { key, ...TAMPERED };
  },
  async 'header-of-state'(world) {
    const { key, older, newer } = await states(world, 'header-of-state', { bytes: 1000, to: 'footer' });
    await store(world, key, { body: newer.body, metadata: older.metadata });
    return { key, ...TAMPERED };
  },
  async 'body-of-state'(world) {
    const { key, older, newer } = await states(world, 'body-of-state', { bytes: MiB + 1000, to: 'footer' });
    await store(world, key, { body: older.body, metadata: newer.metadata });
    return { key, ...TAMPERED };
  },
  async 'body-of-copy'(world) {
    const key = 'body-of-copy/x';
    await uploaded(world.bench, key, [secretBytes(1000)], [long('x'), ['content-type', 'text/x']]);
    await copyTo(world, key, 'body-of-copy/y', [REPLACE, long('y'), ['content-disposition', 'attachment']]);
    const [x, y] = [await stored(world, key), await stored(world, 'body-of-copy/y')];
    await store(world, key, { body: y.body, metadata: x.metadata });
    return { key, ...TAMPERED };
  },
  async 'body-of-small'(world) {
    const { x, y, key } = await two(world, 'body-of-small', { bytes: 70_000 });
    await store(world, key, { body: y.body, metadata: x.metadata });
    return { key, ...BODY_TAMPERED };
  },
  async 'body-of-footered'(world) {
    const { x, y, key } = await two(world, 'body-of-footered', { bytes: 70_000, long: true });
    await store(world, key, { body: y.body, metadata: x.metadata });
    return { key, ...TAMPERED };
  },
  async 'parts-of-another'(world) {
    const { key, x, pieces, others } = await twoUploads(world, 'parts-of-another', [1000]);
    await store(world, key, { ...x, body: bodyOf({ ...pieces, parts: others.parts }) });
    return { key, ...BODY_TAMPERED };
  },
  async 'parts-among-themselves'(world) {
    const { key, x, pieces } = await twoUploads(world, 'parts-among-themselves', [PART, PART]);
    const half = sealedPartBytes(PART);
    const parts = Buffer.concat([pieces.parts.subarray(half), pieces.parts.subarray(0, half)]);
    await store(world, key, { ...x, body: bodyOf({ ...pieces, parts }) });
    return { key, ...BODY_TAMPERED };
  },
  async 'segments-of-another'(world) {
    const { x, y, key } = await two(world, 'segments-of-another', { bytes: 200_000 });
    const at = PART_HEADER_BYTES;
    const body = Buffer.concat([x.body.subarray(0, at), y.body.subarray(at)]);
    await store(world, key, { ...x, body });
    return { key, ...BODY_TAMPERED };
  },
  async 'segments-among-themselves'(world) {
    const { x, key } = await two(world, 'segments-among-themselves', { bytes: 200_000 });
    const segment = (i: number) =>
      x.body.subarray(PART_HEADER_BYTES + i * SEALED_SEGMENT_BYTES, PART_HEADER_BYTES + (i + 1) * SEALED_SEGMENT_BYTES);
    const rest = x.body.subarray(PART_HEADER_BYTES + 2 * SEALED_SEGMENT_BYTES);
    const body = Buffer.concat([x.body.subarray(0, PART_HEADER_BYTES), segment(1), segment(0), rest]);
    await store(world, key, { ...x, body });
    return { key, ...BODY_TAMPERED };
  },
  async pad(world) {
    const { key, x, pieces } = await twoUploads(world, 'pad', [1000]);
    const pad = Buffer.from(pieces.table).subarray(0, pieces.pad.length);
    await store(world, key, {
      ...x,
      body: bodyOf({ ...pieces, pad: Buffer.concat([pad, pieces.pad.subarray(pad.length)]) }),
    });
    return { key, ...BODY_TAMPERED };
  },
  async 'table-of-another'(world) {
    const { key, x, pieces, others } = await twoUploads(world, 'table-of-another', [1000]);
    await store(world, key, { ...x, body: bodyOf({ ...pieces, table: others.table }) });
    return { key, ...BODY_TAMPERED };
  },
  async 'table-of-copy'(world) {
    const key = 'table-of-copy/x';
    await uploaded(world.bench, key, [secretBytes(1000)], [long('x')]);
    await copyTo(world, key, 'table-of-copy/y', [REPLACE, long('y')]);
    const [x, y] = [await stored(world, key), await stored(world, 'table-of-copy/y')];
    const table = piecesOf(y, [1000]).table;
    await store(world, key, { ...x, body: bodyOf({ ...piecesOf(x, [1000]), table }) });
    return { key, ...BODY_TAMPERED };
  },
  async 'footer-attributes-of-another'(world) {
    const { key, x, pieces, others } = await twoUploads(world, 'footer-attributes-of-another', [1000]);
    await store(world, key, { ...x, body: bodyOf({ ...pieces, box: others.box }) });
    return { key, ...TAMPERED };
  },
  async 'footer-attributes-of-copy'(world) {
    const key = 'footer-attributes-of-copy/x';
    await put(world, key, { body: secretBytes(1000), headers: [long('x')] });
    await copyTo(world, key, 'footer-attributes-of-copy/y', [REPLACE, long('y')]);
    const [x, y] = [await stored(world, key), await stored(world, 'footer-attributes-of-copy/y')];
    await store(world, key, { ...x, body: bodyOf({ ...piecesOf(x, [1000]), box: piecesOf(y, [1000]).box }) });
    return { key, ...TAMPERED };
  },
  async 'footer-attributes-of-header'(world) {
    const key = 'footer-attributes-of-header';
    await uploaded(world.bench, key, [secretBytes(1000)], [['x-amz-meta-n', 'v'.repeat(1100)]]);
    const x = await stored(world, key);
    const box = Buffer.from(x.metadata['enc-attrs'] ?? '', 'base64url');
    const pieces = piecesOf(x, [1000]);
    const locator = Buffer.from(pieces.locator);
    locator.writeUInt32BE(box.length, 16);
    await store(world, key, { ...x, body: bodyOf({ ...pieces, box, locator }) });
    return { key, ...TAMPERED };
  },
  async locator(world) {
    const key = 'locator';
    await uploaded(world.bench, key, [secretBytes(1000)]);
    await put(world, 'locator/y', { body: secretBytes(1000), headers: [long('y')] });
    const [x, y] = [await stored(world, key), await stored(world, 'locator/y')];
    await store(world, key, { ...x, body: bodyOf({ ...piecesOf(x, [1000]), locator: piecesOf(y, [1000]).locator }) });
    return { key, ...TAMPERED };
  },
  async 'no-header'(world) {
    const key = 'no-header';
    await put(world, key, { body: secretBytes(1000) });
    await store(world, key, { body: (await stored(world, key)).body, metadata: {} });
    return { key, refused: 'metadata-tampered', head: 'answers' };
  },
  async 'epoch-of-state'(world) {
    const key = 'epoch-of-state';
    await put(world, key, { body: secretBytes(1000), headers: [long('1')] });
    const older = await stored(world, key);
    await world.rotation.begin();
    await world.rotation.drain(await world.rotation.open());
    await copyTo(world, key, key, [REPLACE, long('2')]);
    const newer = await stored(world, key);
    await store(world, key, { body: newer.body, metadata: older.metadata });
    return { key, ...TAMPERED };
  },
  async 'older-object'(world) {
    const key = 'older-object';
    const body = secretBytes(1000);
    await put(world, key, { body });
    const older = await stored(world, key);
    await put(world, key, { body: secretBytes(1000) });
    await store(world, key, older);
    return { key, opens: body };
  },
  async 'body-of-plain-copy'(world) {
    const key = 'body-of-plain-copy/x';
    const body = secretBytes(1000);
    await put(world, key, { body, headers: [long('x')] });
    await copyTo(world, key, 'body-of-plain-copy/y', []);
    const [x, y] = [await stored(world, key), await stored(world, 'body-of-plain-copy/y')];
    await store(world, key, { body: y.body, metadata: x.metadata });
    return { key, opens: body };
  },
  async plaintext(world) {
    const key = 'plaintext';
    await put(world, key, { body: secretBytes(1000) });
    const body = Buffer.from('put here by somebody else');
    await store(world, key, { body, metadata: {} });
    return { key, opens: body };
  },
  async 'footer-of-complete'(world) {
    const { bench } = world;
    const key = 'footer-of-complete';
    const body = secretBytes(1000);
    const upload = await beginUpload(bench, key);
    const listed = [await upload.put(1, body)];
    let first: Buffer | undefined;
    const before = bench.backend.intercept;
    // The store keeps what the first Complete sent, and says that it failed.
    bench.backend.intercept = async (request, next) => {
      if (request.method === 'PUT' && Buffer.isBuffer(request.body)) first ??= request.body;
      const isComplete = request.method === 'POST' && request.key === key;
      return isComplete ? errorReply(request, { status: 500, code: 'InternalError' }) : next(request);
    };
    await upload.complete(listed);
    bench.backend.intercept = before;
    const second = await upload.complete(listed);
    if (second.status !== 200 || first === undefined) throw new Error('the upload was not completed twice');
    const x = await stored(world, key);
    if (first.equals(x.body)) throw new Error('both footers are the same');
    await store(world, key, { ...x, body: first });
    return { key, opens: body };
  },
};
