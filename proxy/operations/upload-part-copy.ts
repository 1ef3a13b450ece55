/**
 * UploadPartCopy: a range of an existing object becomes a part. The part has a key of its own, so the bytes pass through the
 * proxy, opened and sealed again, in constant memory.
 */
import { plaintextBody } from '../body/plaintext-body.ts';
import { S3Error } from '../errors.ts';
import { xmlReply } from '../http/reply.ts';
import { checksumElement } from '../multipart/checksums.ts';
import { storePart } from '../multipart/store-part.ts';
import { requireSourceConditions } from '../object/copy-source.ts';
import { inspectObject } from '../object/inspect-object.ts';
import { namingTheMissing } from '../object/missing.ts';
import type { ByteRange } from '../object/range.ts';
import type { Plaintext } from '../object/read-object.ts';
import { readChecked } from '../object/replacement-check.ts';
import { retryWhenChanged } from '../object/retry-when-changed.ts';
import type { ObjectAddress, StoredObject } from '../object/stored-object.ts';
import type { Call, Operation } from '../operation.ts';
import { renderXml } from '../xml/render-xml.ts';
import { refuseUnsupportedHeaders } from './request/client-headers.ts';
import { sourceConditions } from './request/conditions.ts';
import { copySourceOf, sourceContext } from './request/copy-source.ts';
import { parsePartNumber } from './request/selection.ts';
import { uploadOf } from './request/upload-address.ts';

export const uploadPartCopy: Operation = {
  name: 'UploadPartCopy',
  selector: { method: 'PUT', level: 'object', subresources: ['uploadId', 'partNumber'], copySource: true },
  parameters: [],
  isSlow: true,
  body: 'none',
  memory: 'stream',
  async run(call) {
    const { request } = call;
    refuseUnsupportedHeaders(request);
    const number = parsePartNumber(request.query.get('partNumber') ?? '');
    const address = copySourceOf(call);
    const record = await uploadOf(call);
    const { source, size, chunks } = await retryWhenChanged(() => openSource(call, address));
    const { checksum } = record;
    const body = plaintextBody({
      plainBytes: size,
      chunks,
      checksums: checksum === undefined ? [] : [checksum.algorithm],
    });
    const { receipt, etag } = await storePart(call.context, record, number, body).catch(async (error: unknown) => {
      await release(chunks);
      throw error;
    });
    const computed = checksum === undefined || receipt.checksum === undefined ? undefined : receipt.checksum;
    const reply = xmlReply(
      renderXml('CopyPartResult', {
        LastModified: new Date(receipt.time).toISOString(),
        ETag: `"${etag}"`,
        ...(checksum === undefined ? {} : { [checksumElement(checksum.algorithm)]: computed?.toString('base64') }),
      }),
    );
    const version = { 'x-amz-copy-source-version-id': source.facts.versionId };
    return { ...reply, headers: { ...reply.headers, ...version } };
  },
};

interface Opened {
  readonly source: StoredObject;
  /** Bytes of plaintext that `chunks` yields. */
  readonly size: number;
  readonly chunks: AsyncGenerator<Buffer>;
}

/** @throws VersionChanged, and S3Error PreconditionFailed, InvalidArgument, NoSuchKey, ... */
async function openSource(call: Call, address: ObjectAddress): Promise<Opened> {
  const context = sourceContext(call);
  const source = await namingTheMissing(context, address, inspectObject(context, address));
  requireSourceConditions(sourceConditions(call.request), source);
  const range = copiedRange(call.request.header('x-amz-copy-source-range'), source.size);
  const chunks = asGenerator(await readChecked(context, source, range));
  return { source, size: range.end - range.start, chunks };
}

async function* asGenerator(chunks: Plaintext): AsyncGenerator<Buffer> {
  yield* chunks;
}

/** A source that nobody has begun to read holds its connection. It is begun, and ended. */
async function release(chunks: AsyncGenerator<Buffer>): Promise<void> {
  try {
    await chunks.next();
    await chunks.return(undefined);
  } catch {
    // The earlier failure is the one that counts.
  }
}

/** `bytes=first-last`, both given and within the source. @throws S3Error InvalidArgument */
function copiedRange(header: string | undefined, size: number): ByteRange {
  if (header === undefined) return { start: 0, end: size };
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header.trim());
  const details = { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header };
  if (match === null || Number(match[1]) > Number(match[2])) {
    throw new S3Error(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
      { details },
    );
  }
  const range = { start: Number(match[1]), end: Number(match[2]) + 1 };
  if (range.end > size) {
    throw new S3Error('InvalidArgument', `Range specified is not valid for source object of size: ${size}`, {
      details,
    });
  }
  return range;
}
