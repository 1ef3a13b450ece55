/**
 * Plaintext whose length shows only at its end: the file of a form. A file up to the small limit is buffered and stored like
 * any small body. A longer file goes up as an upstream multipart upload in pieces of one size, completed after the last byte;
 * size and early attributes stand in the footer.
 */
import type { EarlyAttributes } from '../../crypto/attributes.ts';
import { type DataKey, newDataKey } from '../../crypto/data-key.ts';
import { sealFooter } from '../../crypto/footer.ts';
import { sealHeader } from '../../crypto/header.ts';
import { SEGMENT_BYTES } from '../../crypto/layout.ts';
import { PartSealer } from '../../crypto/seal.ts';
import { canonicalBytes } from '../../crypto/stored-length.ts';
import { discard } from '../backend/read-body.ts';
import type { ChecksumName } from '../body/checksums.ts';
import { type BodyResult, Digests } from '../body/digests.ts';
import { plaintextBody } from '../body/plaintext-body.ts';
import { BATCH_BYTES, SMALL_BODY_BYTES, UNKNOWN_LENGTH_PART_BYTES } from '../limits.ts';
import type { ClientAttributes } from './client-attributes.ts';
import { etagMode, type StoreContext } from './context.ts';
import { failureOf } from './object-request.ts';
import { currentRoot, lateAttributes, storeObject } from './store-object.ts';
import { toBackendHeaders } from './stored-metadata.ts';
import { sendUpstreamPart, type UpstreamUpload, uploadUpstream } from './upstream-upload.ts';
import { writtenEtag } from './written-etag.ts';

export interface UnknownLength {
  readonly bucket: string;
  readonly key: string;
  readonly attributes: ClientAttributes;
  readonly headers: Readonly<Record<string, string>>;
  readonly chunks: AsyncIterable<Buffer>;
  readonly checksums: readonly ChecksumName[];
  /** Called with every length reached and, with `ended`, the final one: throws to refuse it. */
  readonly checkLength: (bytes: number, o: { ended: boolean }) => void;
  /** Called at the end with the digests of the plaintext, before anything is committed: throws to refuse it. */
  readonly checkResult: (result: BodyResult) => void;
}

export interface StoredUnknown {
  readonly headers: Readonly<Record<string, string>>;
  readonly result: BodyResult;
  /** As clients are told it, unquoted. */
  readonly etag: string;
}

/** @throws S3Error, and what the checks throw: then nothing was stored */
export async function storeUnknownLength(context: StoreContext, o: UnknownLength): Promise<StoredUnknown> {
  const mode = await etagMode(context, o.bucket);
  const source = new Batches(o, { md5: mode === 'md5' });
  const first = await source.next(SMALL_BODY_BYTES + 1);
  if (source.ended) return storeWhole(context, o, first);
  const dataKey = newDataKey();
  const { tenant } = context;
  const name = { tenant: tenant.idBytes, bucket: o.bucket, key: o.key };
  const header = sealHeader({ root: currentRoot(context), epoch: tenant.epoch, name, ...dataKey, layout: 1 });
  let result: BodyResult | undefined;
  const stored = await uploadUpstream(
    context,
    { bucket: o.bucket, key: o.key, headers: { ...o.headers, ...toBackendHeaders(header) } },
    async (upload) => {
      const sent = await sendSealed(context, upload, { dataKey, first, source, o });
      result = sent.result;
      return sent.etags;
    },
  );
  if (result === undefined) throw new Error('an upload was completed before its end');
  const sources = { mode, late: lateAttributes(result), stored: stored.document.value('ETag') };
  const etag = await writtenEtag(context, o, sources);
  return { headers: stored.headers, result, etag };
}

async function storeWhole(context: StoreContext, o: UnknownLength, plaintext: Buffer): Promise<StoredUnknown> {
  const { bucket, key, attributes, headers, checksums } = o;
  const body = plaintextBody({ plainBytes: plaintext.length, chunks: once(plaintext), checksums });
  const checked = { ...body, chunks: body.chunks };
  const { response, result, etag } = await storeObject(context, { bucket, key, attributes, headers, body: checked });
  if (response.status !== 200) throw await failureOf(response, { operation: 'PutObject', bucket, key });
  discard(response);
  return { headers: response.headers, result: result(), etag: await etag() };
}

async function* once(buffer: Buffer): AsyncGenerator<Buffer> {
  if (buffer.length > 0) yield buffer;
}

/** Seals batch by batch and sends pieces of one size, since some backends want that; the last has what is left. */
async function sendSealed(
  context: StoreContext,
  upload: UpstreamUpload,
  work: { dataKey: DataKey; first: Buffer; source: Batches; o: UnknownLength },
): Promise<{ etags: readonly string[]; result: BodyResult }> {
  const { dataKey, source, o } = work;
  const sealer = new PartSealer({ dek: dataKey.dek, layout: 1, partNumber: 0 });
  const pieces = new Pieces(context, upload);
  let held = work.first;
  while (!source.ended) {
    const whole = held.length - (held.length % SEGMENT_BYTES);
    // Nothing is sealed as a middle segment unless more plaintext follows it.
    const following = await source.next(BATCH_BYTES);
    if (following.length === 0) break;
    if (whole > 0) await pieces.add(sealer.seal(held.subarray(0, whole), { last: false }));
    held = Buffer.concat([held.subarray(whole), following]);
  }
  const result = source.result();
  await pieces.add(sealer.seal(held, { last: true }));
  const early: EarlyAttributes = { size: source.bytes, partSalt: sealer.salt, ...o.attributes };
  // A body that is one backend part has a length that does not tell its size: its ETag at the store could be that of a PUT.
  const lookUp = canonicalBytes(source.bytes) <= UNKNOWN_LENGTH_PART_BYTES;
  const late = lateAttributes(result);
  await pieces.add(sealFooter({ ...dataKey, layout: 1, early, late, size: source.bytes, lookUp }));
  return { etags: await pieces.end(), result };
}

/** Ciphertext gathered into backend parts of exactly UNKNOWN_LENGTH_PART_BYTES. */
class Pieces {
  readonly #context: StoreContext;
  readonly #upload: UpstreamUpload;
  readonly #etags: string[] = [];
  #held: Buffer[] = [];
  #bytes = 0;

  constructor(context: StoreContext, upload: UpstreamUpload) {
    this.#context = context;
    this.#upload = upload;
  }

  async add(sealed: Buffer): Promise<void> {
    let rest = sealed;
    while (this.#bytes + rest.length > UNKNOWN_LENGTH_PART_BYTES) {
      const cut = UNKNOWN_LENGTH_PART_BYTES - this.#bytes;
      this.#hold(rest.subarray(0, cut));
      rest = rest.subarray(cut);
      await this.#send();
    }
    this.#hold(rest);
  }

  /** @returns the ETags of all pieces */
  async end(): Promise<readonly string[]> {
    await this.#send();
    return this.#etags;
  }

  #hold(bytes: Buffer): void {
    this.#held.push(bytes);
    this.#bytes += bytes.length;
  }

  async #send(): Promise<void> {
    const body = Buffer.concat(this.#held, this.#bytes);
    this.#held = [];
    this.#bytes = 0;
    this.#etags.push(await sendUpstreamPart(this.#context, this.#upload, { number: this.#etags.length + 1, body }));
  }
}

/** The plaintext in batches, its length and digests checked on the way. */
class Batches {
  readonly #o: UnknownLength;
  readonly #iterator: AsyncIterator<Buffer>;
  readonly #digests = new Digests({ plainBytes: 0 });
  #result: BodyResult | undefined;
  bytes = 0;
  ended = false;

  constructor(o: UnknownLength, digests: { md5: boolean }) {
    this.#o = o;
    this.#iterator = o.chunks[Symbol.asyncIterator]();
    if (digests.md5) this.#digests.wantMd5();
    for (const algorithm of o.checksums) this.#digests.report(algorithm);
  }

  /** At least `atLeast` bytes, or what is left. At the end every check has passed. */
  async next(atLeast: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let length = 0;
    while (length < atLeast && !this.ended) {
      const step = await this.#iterator.next();
      if (step.done === true) {
        this.#end();
        break;
      }
      this.#digests.update(step.value);
      chunks.push(step.value);
      length += step.value.length;
      this.bytes += step.value.length;
      this.#o.checkLength(this.bytes, { ended: false });
    }
    return Buffer.concat(chunks, length);
  }

  #end(): void {
    this.ended = true;
    this.#o.checkLength(this.bytes, { ended: true });
    this.#result = this.#digests.verify(new Map());
    this.#o.checkResult(this.#result);
  }

  result(): BodyResult {
    if (this.#result === undefined) throw new Error('The result of a body is known after its end.');
    return this.#result;
  }
}
