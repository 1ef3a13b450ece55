/**
 * What a client's Complete says, against what was acknowledged: the part list (S3 API reference, CompleteMultipartUpload), and
 * what its headers promise of the whole object.
 */
import { CHECKSUM_NAMES, checksumHeader, checksumName, decodeChecksum } from '../body/checksums.ts';
import { S3Error } from '../errors.ts';
import type { S3Request } from '../http/request.ts';
import { MAX_PART_NUMBER, MIN_PART_BYTES } from '../limits.ts';
import { unquote } from '../object/conditions.ts';
import { parseXml, type XmlNode } from '../xml/render-xml.ts';
import type { CurrentPart } from './current-parts.ts';
import type { UploadChecksum, UploadRecord } from './upload-record.ts';

/** A part as the client lists it. */
export interface ListedPart {
  readonly number: number;
  /** Unquoted. */
  readonly etag: string;
  /** `algorithm` as the element names it: CRC32, ... */
  readonly checksums: readonly { readonly algorithm: string; readonly value: string }[];
}

/** @throws S3Error MalformedXML, InvalidPartOrder, InvalidArgument */
export function parseParts(document: string): readonly ListedPart[] {
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
  const text = row.value('PartNumber')?.trim() ?? '';
  const etag = row.value('ETag');
  if (!/^\d{1,9}$/.test(text) || etag === undefined) throw new S3Error('MalformedXML');
  const number = Number(text);
  if (number < 1 || number > MAX_PART_NUMBER) {
    throw new S3Error('InvalidArgument', `PartNumber must be >= 1 and <= ${MAX_PART_NUMBER}`);
  }
  const checksums = row.childNames().flatMap((name) => {
    const algorithm = name.startsWith('Checksum') ? name.slice('Checksum'.length) : undefined;
    return algorithm === undefined ? [] : [{ algorithm, value: row.value(name)?.trim() ?? '' }];
  });
  return { number, etag: unquote(etag), checksums };
}

/** @throws S3Error InvalidPart, EntityTooSmall, InvalidRequest */
export function matchParts(
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
    if (part.size < MIN_PART_BYTES) throw tooSmall(part);
  }
  return parts;
}

function tooSmall(part: CurrentPart): S3Error {
  return new S3Error('EntityTooSmall', undefined, {
    details: {
      ProposedSize: String(part.size),
      MinSizeAllowed: String(MIN_PART_BYTES),
      PartNumber: String(part.number),
      ETag: part.md5.toString('hex'),
    },
  });
}

/** An upload without a checksum of its own keeps none: what its parts' replies echoed was compared when they came. */
function checksumsAgree(record: UploadRecord, item: ListedPart, part: CurrentPart): boolean {
  const { checksum } = record;
  if (checksum === undefined) return true;
  return item.checksums.every(({ algorithm, value }) => {
    if (checksumName(algorithm) !== checksum.algorithm) {
      throw new S3Error(
        'InvalidRequest',
        `The upload was created using a ${checksum.algorithm.toLowerCase()} checksum. The complete request must include the same kind of checksum for each part.`,
      );
    }
    return part.checksum !== undefined && decodeChecksum(checksum.algorithm, value)?.equals(part.checksum) === true;
  });
}

/** `x-amz-mp-object-size`, in bytes of plaintext. @throws S3Error InvalidArgument, InvalidRequest */
export function requireObjectSize(request: S3Request, size: number): void {
  const promised = request.header('x-amz-mp-object-size');
  if (promised === undefined) return;
  if (!/^\d{1,16}$/.test(promised)) {
    throw new S3Error('InvalidArgument', 'x-amz-mp-object-size must be a number of bytes.');
  }
  if (Number(promised) !== size) {
    throw new S3Error(
      'InvalidRequest',
      `The provided 'x-amz-mp-object-size' header value ${promised} does not match what was computed: ${size}`,
    );
  }
}

/**
 * The whole object's checksum, where the client promises one: with or without the `-N` of a composite. A promise that cannot
 * be compared, since the upload has another kind of checksum, is refused and not dropped.
 * @param computed the upload's checksum as `checksumText` writes it
 * @throws S3Error BadDigest, InvalidRequest
 */
export function requireObjectChecksum(
  request: S3Request,
  computed: (UploadChecksum & { readonly text: string }) | undefined,
): void {
  const type = request.header('x-amz-checksum-type')?.toUpperCase();
  if (type !== undefined && type !== computed?.type) {
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using the ${computed?.type ?? 'default'} checksum mode. The complete request must use the same checksum mode.`,
    );
  }
  for (const algorithm of CHECKSUM_NAMES) {
    const promised = request.header(checksumHeader(algorithm))?.trim();
    if (promised === undefined) continue;
    if (algorithm !== computed?.algorithm) {
      throw new S3Error(
        'InvalidRequest',
        `The upload was not created with a ${algorithm.toLowerCase()} checksum: the one you specified cannot be verified.`,
      );
    }
    const digest = computed.type === 'COMPOSITE' ? computed.text.replace(/-\d+$/, '') : computed.text;
    if (promised !== computed.text && promised !== digest) {
      throw new S3Error(
        'BadDigest',
        `The ${algorithm.toLowerCase()} you specified did not match the calculated checksum.`,
      );
    }
  }
}
