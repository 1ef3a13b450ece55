/**
 * Stores one client part in the backend, sealed under the upload's DEK. Every attempt has a fresh salt, so no attempt repeats a
 * (key, nonce) pair. A receipt acknowledges the part. The footer needs a backend part behind the last client part, so a client
 * part below the backend's minimum size cannot go there directly: it is staged in the state bucket, and Complete sends it on
 * together with the footer.
 */
import { sealedPartBytes } from '../../crypto/layout.ts';
import { PartSealer, sealStream } from '../../crypto/seal.ts';
import type { BackendRequest } from '../backend/backend.ts';
import { discard } from '../backend/read-body.ts';
import type { BodyResult } from '../body/digests.ts';
import { S3Error } from '../errors.ts';
import { BATCH_BYTES, MAX_PART_NUMBER, MAX_STORED_PUT_BYTES, MIN_PART_BYTES } from '../limits.ts';
import { requireAccount } from '../object/bucket-head.ts';
import { etagMode } from '../object/context.ts';
import { failureOf } from '../object/object-request.ts';
import { partQuery } from '../object/upstream-upload.ts';
import { quoted } from './backend-parts.ts';
import { partEtag, type Receipt, readReceiptsOf, receiptTime, stagedName, writeReceipt } from './receipts.ts';
import type { UploadRecord } from './upload.ts';
import type { UploadContext } from './upload-context.ts';
import { noSuchUpload, requireUpload } from './upload-record.ts';

/** Plaintext on its way into a part. `result` is asked for after `chunks` has ended. */
export interface PartSource {
  readonly plainBytes: number;
  readonly chunks: AsyncIterable<Buffer>;
  /** Has the result hold the MD5. Before `chunks` is read only. */
  computeMd5(): void;
  result(): BodyResult;
}

/** A part that is acknowledged, and its ETag as clients are told it, unquoted. */
export interface StoredPart {
  readonly receipt: Receipt;
  readonly etag: string;
}

/** @throws S3Error EntityTooLarge, NoSuchUpload, and whatever the source throws: then the part does not exist */
export async function storePart(
  context: UploadContext,
  record: UploadRecord,
  number: number,
  source: PartSource,
): Promise<StoredPart> {
  const { plainBytes } = source;
  const mode = await etagMode(context, record.bucket);
  if (mode === 'md5') source.computeMd5();
  const length = sealedPartBytes(plainBytes);
  if (length > MAX_STORED_PUT_BYTES) {
    const details = { ProposedSize: String(plainBytes), MaxSizeAllowed: String(MAX_STORED_PUT_BYTES) };
    throw new S3Error('EntityTooLarge', 'The part, once encrypted, exceeds 5 GiB.', { details });
  }
  const staged = await mustStage(context, record, number, plainBytes);
  // The backend would notice that an upload is gone; the state bucket would not.
  if (staged) {
    await requireAccount(context, record.bucket);
    await requireUpload(context, record, { fresh: true });
  }
  const sealer = new PartSealer({ dek: record.dek, layout: 2, partNumber: number });
  const chunks = sealStream({ sealer, plaintext: source.chunks, plainBytes, batchBytes: BATCH_BYTES });
  const name = stagedName(record, number);
  const place = staged ? context.store.state.locate(name) : uploadPart(record, number);
  const response = await context.store.backend.send({
    method: 'PUT',
    headers: staged ? { 'content-type': 'application/octet-stream' } : context.accountHeaders,
    ...place,
    body: { length, chunks },
    signal: context.signal,
  });
  if (response.status !== 200) {
    const failure = await failureOf(response, { operation: 'UploadPart', bucket: record.bucket, key: record.key });
    throw failure.code === 'NoSuchUpload' ? noSuchUpload(record) : failure;
  }
  discard(response);
  const { md5, checksums } = source.result();
  const checksum = checksums.find(({ algorithm }) => algorithm === record.checksum?.algorithm)?.value;
  const etag = quoted(response.headers['etag'] ?? '');
  const receipt: Receipt = {
    number,
    size: plainBytes,
    salt: sealer.salt,
    md5,
    checksum,
    place: staged ? { kind: 'staged', name, etag } : { kind: 'backend', etag },
    time: receiptTime(context.store.now()),
  };
  await writeReceipt(context, record, receipt);
  return { receipt, etag: partEtag(mode, receipt) };
}

function uploadPart(record: UploadRecord, number: number): Pick<BackendRequest, 'bucket' | 'key' | 'query'> {
  const { bucket, key } = record;
  return {
    bucket,
    key,
    query: partQuery(record, number),
  };
}

/**
 * The footer follows the last client part, so that part is not the backend's last: it must have the backend's minimum size,
 * and leave a number free. A backend that wants equal parts can take directly only what is as long as part 1.
 */
async function mustStage(
  context: UploadContext,
  record: UploadRecord,
  number: number,
  plainBytes: number,
): Promise<boolean> {
  if (plainBytes < MIN_PART_BYTES || number === MAX_PART_NUMBER) return true;
  if (!context.store.capabilities.equalParts || number === 1) return false;
  const receipts = await readReceiptsOf(context, record, 1);
  return !receipts.some(({ size }) => size === plainBytes);
}
