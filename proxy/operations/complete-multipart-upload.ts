/**
 * CompleteMultipartUpload. Idempotent for the same list: when the backend no longer knows the upload, the object at hand
 * decides, by the fingerprint in its footer; that also settles racing Completes.
 */
import { collectBody } from '../body/verified-body.ts';
import { S3Error } from '../errors.ts';
import { type WholeReply, xmlReply } from '../http/reply.ts';
import { COMPLETE_ATTEMPTS, MAX_XML_BODY_BYTES, UPLOAD_FORGET_TIMEOUT_MS } from '../limits.ts';
import { checksumElement, checksumText } from '../multipart/checksums.ts';
import { completeAtBackend, lateAttributesOf, PiecesReplaced, uploadFingerprint } from '../multipart/complete.ts';
import { viewUpload } from '../multipart/current-parts.ts';
import { type ListedPart, matchParts, parseParts } from '../multipart/listed-parts.ts';
import { readNames } from '../multipart/receipts.ts';
import { recordLast, removeState } from '../multipart/remove-state.ts';
import type { UploadAddress, UploadRecord } from '../multipart/upload.ts';
import { requireUpload, uploadIdOf } from '../multipart/upload-record.ts';
import { etagMode } from '../object/context.ts';
import { inspectObject } from '../object/inspect-object.ts';
import { namingTheMissing } from '../object/missing.ts';
import { lateFailure, translateConditions, underCondition } from '../object/write-conditions.ts';
import { writtenEtag } from '../object/written-etag.ts';
import { bodyOf, type Call, type Operation } from '../operation.ts';
import { renderXml, xmlText } from '../xml/render-xml.ts';
import { writeConditions } from './request/conditions.ts';
import { requireObjectChecksum, requireObjectSize } from './request/object-promises.ts';
import { uploadAddress } from './request/upload-address.ts';

interface Completed {
  readonly etag: string;
  readonly checksums: readonly { readonly algorithm: string; readonly type: string; readonly text: string }[];
  readonly headers: Readonly<Record<string, string>>;
}

export const completeMultipartUpload: Operation = {
  name: 'CompleteMultipartUpload',
  selector: { method: 'POST', level: 'object', subresources: ['uploadId'] },
  parameters: [],
  isSlow: true,
  body: 'document',
  memory: 'upload-view',
  objectChecksums: true,
  async run(call) {
    const address = uploadAddress(call);
    const document = await collectBody(bodyOf(call), { maxBytes: MAX_XML_BODY_BYTES, tooLarge: 'MalformedXML' });
    const listed = parseParts(xmlText(document), address.uploadId);
    const fingerprint = uploadFingerprint(address.uploadId, listed);
    try {
      const record = await requireUpload(call.context, address);
      return reply(call, address, await complete(call, record, listed, fingerprint));
    } catch (error) {
      if (!(error instanceof S3Error) || error.code !== 'NoSuchUpload') throw error;
      const earlier = await completedBefore(call, address, fingerprint);
      if (earlier === undefined) return namingTheMissing(call.context, address, Promise.reject(error));
      // The request that completed the upload may have ended before it came to that.
      await forget(call, address);
      return reply(call, address, earlier);
    }
  },
};

/**
 * Another Complete may replace the footer that this one has just sent, since both give it the number above all others. Then
 * everything is looked at again: the upload may be complete by now, or this one seals another footer.
 */
async function complete(
  call: Call,
  record: UploadRecord,
  listed: readonly ListedPart[],
  fingerprint: Buffer,
): Promise<Completed> {
  for (let left = COMPLETE_ATTEMPTS; ; left--) {
    try {
      return await completeOnce(call, record, listed, fingerprint);
    } catch (error) {
      if (!(error instanceof PiecesReplaced)) throw error;
      if (left <= 1) throw new S3Error('ServiceUnavailable', 'The upload is being completed elsewhere. Try again.');
    }
  }
}

async function completeOnce(
  call: Call,
  record: UploadRecord,
  listed: readonly ListedPart[],
  fingerprint: Buffer,
): Promise<Completed> {
  const view = await viewUpload(call.context, record);
  const parts = matchParts(record, listed, view.parts);
  const late = lateAttributesOf(record, parts, fingerprint);
  requireObjectSize(call.request, late.size ?? 0);
  const [value] = late.checksums;
  const checksum =
    record.checksum === undefined || value === undefined
      ? undefined
      : { ...record.checksum, text: checksumText(record.checksum, value.value, parts.length) };
  requireObjectChecksum(call.request, checksum);
  const { bucket, key } = record;
  const conditions = writeConditions(call.request);
  const mode = await etagMode(call.context, bucket);
  const condition = await translateConditions(call.context, { bucket, key }, conditions, 'complete');
  const { headers, etag } = await underCondition(condition, (translated) =>
    completeAtBackend(call.context, record, { view, parts, late, conditions: translated }).catch(
      async (error: unknown) => {
        if (!(error instanceof S3Error) || condition.again !== undefined) throw error;
        throw await lateFailure(call.context, { bucket, key }, { conditions, kind: 'complete', failure: error });
      },
    ),
  );
  await forget(call, record, view.stateNames);
  return {
    etag: await writtenEtag(call.context, { bucket, key }, { mode, late, stored: etag }),
    checksums: checksum === undefined ? [] : [checksum],
    headers,
  };
}

/** The state goes when the object is there. What cannot be removed now, `sealgate gc` removes. */
async function forget(call: Call, address: UploadAddress, names?: readonly string[]): Promise<void> {
  const { backend, state, uploads } = call.context.store;
  const id = uploadIdOf(address);
  uploads.delete(call.tenant.id, id);
  try {
    const kept = names ?? (await readNames(call.context, id));
    await removeState({ backend, state, signal: AbortSignal.timeout(UPLOAD_FORGET_TIMEOUT_MS) }, recordLast(id, kept));
  } catch {
    // The object is whole, and that is the answer.
  }
}

/** The object that an earlier Complete of the same upload and list made; undefined when it is another one. */
async function completedBefore(
  call: Call,
  address: UploadAddress,
  fingerprint: Buffer,
): Promise<Completed | undefined> {
  try {
    const object = await inspectObject(call.context, { bucket: address.bucket, key: address.key });
    if (object.kind !== 'sealed' || object.late.uploadFingerprint?.equals(fingerprint) !== true) return undefined;
    const checksums = object.late.checksums.map((checksum) => ({
      ...checksum,
      text: checksumText(checksum as NonNullable<UploadRecord['checksum']>, checksum.value, object.late.partCount),
    }));
    return { etag: object.etag, checksums, headers: object.facts.headers };
  } catch (error) {
    if (error instanceof S3Error && error.status < 500) return undefined;
    throw error;
  }
}

function reply(call: Call, address: UploadAddress, completed: Completed): WholeReply {
  const { bucket, key } = address;
  const scheme = call.request.secure ? 'https' : 'http';
  const path = `/${bucket}/${encodeURIComponent(key).replaceAll('%2F', '/')}`;
  const checksums = completed.checksums.map(({ algorithm, text }) => [checksumElement(algorithm), text]);
  const document = xmlReply(
    renderXml('CompleteMultipartUploadResult', {
      Location: `${scheme}://${call.request.header('host') ?? ''}${path}`,
      Bucket: bucket,
      Key: key,
      ETag: `"${completed.etag}"`,
      ...Object.fromEntries(checksums),
      ChecksumType: completed.checksums[0]?.type,
    }),
  );
  const passed = ['x-amz-version-id', 'x-amz-expiration', 'x-amz-server-side-encryption', 'x-amz-request-charged'];
  const headers = Object.fromEntries(passed.map((name) => [name, completed.headers[name]]));
  return { ...document, headers: { ...document.headers, ...headers } };
}
