/**
 * CompleteMultipartUpload. Idempotent for the same list: when the backend no longer knows the upload, the object at hand
 * decides, by the fingerprint in its footer; that also settles racing Completes.
 */

import { checksumName, decodeChecksum } from '../body/checksums.ts';
import { collectBody } from '../body/verified-body.ts';
import { S3Error } from '../errors.ts';
import { MAX_PART_NUMBER, MAX_XML_BODY_BYTES, MIN_PART_BYTES } from '../limits.ts';
import { uploadAddress } from '../multipart/address.ts';
import { checksumElement, checksumText } from '../multipart/checksums.ts';
import { completeAtBackend, lateAttributesOf, uploadFingerprint } from '../multipart/complete.ts';
import { type CurrentPart, viewUpload } from '../multipart/current-parts.ts';
import { removeState } from '../multipart/remove-state.ts';
import {
  loadUpload,
  noSuchUpload,
  recordName,
  type UploadAddress,
  type UploadRecord,
} from '../multipart/upload-record.ts';
import { unquote, writeConditions } from '../object/conditions.ts';
import { inspectObject } from '../object/stored-object.ts';
import { translateConditions } from '../object/write-conditions.ts';
import { bodyOf, type Call, type Operation } from '../operation.ts';
import { type Reply, xmlReply } from '../reply.ts';
import { parseXml, renderXml, type XmlNode } from '../xml.ts';

/** A part as the client lists it. */
interface ListedPart {
  readonly number: number;
  /** Unquoted. */
  readonly etag: string;
  readonly checksums: readonly { readonly algorithm: string; readonly value: string }[];
}

interface Completed {
  readonly etag: string;
  readonly checksums: readonly { readonly algorithm: string; readonly type: string; readonly text: string }[];
  readonly headers: Readonly<Record<string, string>>;
}

export const completeMultipartUpload: Operation = {
  name: 'CompleteMultipartUpload',
  selector: { method: 'POST', level: 'object', subresources: ['uploadId'] },
  parameters: [],
  access: 'write',
  body: 'document',
  async run(call) {
    const address = uploadAddress(call);
    const document = await collectBody(bodyOf(call), { maxBytes: MAX_XML_BODY_BYTES, tooLarge: 'MalformedXML' });
    const listed = parseParts(document.toString('utf8'));
    const fingerprint = uploadFingerprint(address.uploadId, listed);
    try {
      const record = await loadUpload(call, address);
      if (record === undefined) throw noSuchUpload(address);
      return reply(call, address, await complete(call, record, listed, fingerprint));
    } catch (error) {
      if (!(error instanceof S3Error) || error.code !== 'NoSuchUpload') throw error;
      const earlier = await completedBefore(call, address, fingerprint);
      if (earlier === undefined) throw error;
      return reply(call, address, earlier);
    }
  },
};

async function complete(
  call: Call,
  record: UploadRecord,
  listed: readonly ListedPart[],
  fingerprint: Buffer,
): Promise<Completed> {
  const view = await viewUpload(call, record);
  const parts = matchParts(record, listed, view.parts);
  const late = lateAttributesOf(record, parts, fingerprint);
  requireObjectSize(call, late.size ?? 0);
  const checksums = late.checksums.map((checksum) => ({
    ...checksum,
    text: checksumText({ ...checksum } as NonNullable<UploadRecord['checksum']>, checksum.value, parts.length),
  }));
  for (const { algorithm, text } of checksums) requireChecksum(call, algorithm, text, parts.length);
  const { bucket, key } = record;
  const conditions = await translateConditions(call, { bucket, key }, writeConditions(call.request), 'complete');
  const headers = await completeAtBackend(call, record, { view, parts, late, conditions });
  await forget(call, record, view.stateNames);
  return { etag: `${late.md5.toString('hex')}-${parts.length}`, checksums, headers };
}

/** The state goes when the object is there. What cannot be removed now, `sealgate gc` removes. */
async function forget(call: Call, record: UploadRecord, names: readonly string[]): Promise<void> {
  const { backend, state, uploads } = call.services;
  uploads.delete(call.tenant.id, record.id);
  // The record goes last: until then a retry finds its way.
  const last = recordName(record.id);
  const ordered = [...names.filter((name) => name !== last), last];
  await removeState({ backend, state, signal: AbortSignal.timeout(FORGET_TIMEOUT_MS) }, ordered).catch(() => undefined);
}

const FORGET_TIMEOUT_MS = 60_000;

function parseParts(document: string): readonly ListedPart[] {
  const rows = parseXml(document, 'CompleteMultipartUpload').children('Part');
  if (rows.length === 0 || rows.length > MAX_PART_NUMBER) throw new S3Error('MalformedXML');
  const parts = rows.map(parsePart);
  parts.forEach((part, index) => {
    const before = parts[index - 1];
    if (before !== undefined && before.number >= part.number) throw new S3Error('InvalidPartOrder');
  });
  return parts;
}

function parsePart(row: XmlNode): ListedPart {
  const number = Number(row.value('PartNumber')?.trim() ?? 'none');
  const etag = row.value('ETag');
  if (!Number.isInteger(number) || etag === undefined) throw new S3Error('MalformedXML');
  if (number < 1 || number > MAX_PART_NUMBER)
    throw new S3Error('InvalidArgument', 'PartNumber must be >= 1 and <= 10000');
  const checksums = row.childNames().flatMap((name) => {
    const algorithm = name.startsWith('Checksum') ? name.slice('Checksum'.length) : undefined;
    return algorithm === undefined ? [] : [{ algorithm, value: row.value(name)?.trim() ?? '' }];
  });
  return { number, etag: unquote(etag), checksums };
}

/** @throws S3Error InvalidPart, EntityTooSmall, InvalidRequest */
function matchParts(
  record: UploadRecord,
  listed: readonly ListedPart[],
  current: readonly CurrentPart[],
): readonly CurrentPart[] {
  const byNumber = new Map(current.map((part) => [part.number, part]));
  const parts = listed.map((item) => {
    const part = byNumber.get(item.number);
    if (part === undefined || part.md5.toString('hex') !== item.etag || !checksumsAgree(record, item, part)) {
      throw new S3Error('InvalidPart', undefined, {
        details: { UploadId: record.uploadId, PartNumber: String(item.number), ETag: item.etag },
      });
    }
    return part;
  });
  for (const part of parts.slice(0, -1)) {
    if (part.size < MIN_PART_BYTES) {
      throw new S3Error('EntityTooSmall', undefined, {
        details: {
          ProposedSize: String(part.size),
          MinSizeAllowed: String(MIN_PART_BYTES),
          PartNumber: String(part.number),
          ETag: part.md5.toString('hex'),
        },
      });
    }
  }
  return parts;
}

function checksumsAgree(record: UploadRecord, item: ListedPart, part: CurrentPart): boolean {
  return item.checksums.every(({ algorithm, value }) => {
    const name = checksumName(algorithm);
    if (name === undefined || name !== record.checksum?.algorithm || part.checksum === undefined) return true;
    return decodeChecksum(name, value)?.equals(part.checksum) === true;
  });
}

function requireObjectSize(call: Call, size: number): void {
  const promised = call.request.header('x-amz-mp-object-size');
  if (promised === undefined) return;
  if (!/^\d+$/.test(promised)) throw new S3Error('InvalidArgument', 'x-amz-mp-object-size must be a number of bytes.');
  if (Number(promised) !== size) {
    throw new S3Error(
      'InvalidRequest',
      `The provided 'x-amz-mp-object-size' header value ${promised} does not match what was computed: ${size}`,
    );
  }
}

/** The whole object's checksum, if the client promises one, with or without the `-N` of a composite. */
function requireChecksum(call: Call, algorithm: string, text: string, partCount: number): void {
  const promised = call.request.header(`x-amz-checksum-${algorithm.toLowerCase()}`);
  if (promised === undefined || promised === text || `${promised}-${partCount}` === text) return;
  throw new S3Error('BadDigest', `The ${algorithm.toLowerCase()} you specified did not match the calculated checksum.`);
}

/** The object that an earlier Complete of the same upload and list made; undefined when it is another one. */
async function completedBefore(
  call: Call,
  address: UploadAddress,
  fingerprint: Buffer,
): Promise<Completed | undefined> {
  try {
    const object = await inspectObject(call, { bucket: address.bucket, key: address.key });
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

function reply(call: Call, address: UploadAddress, completed: Completed): Reply {
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
