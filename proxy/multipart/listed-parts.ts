/** The part list of a client's Complete, against what was acknowledged (S3 API reference, CompleteMultipartUpload). */
import { checksumName, decodeChecksum } from '../body/checksums.ts';
import { S3Error } from '../errors.ts';
import { MAX_PART_NUMBER, MIN_PART_BYTES } from '../limits.ts';
import { unquote } from '../object/conditions.ts';
import { parseXml, type XmlNode } from '../xml/render-xml.ts';
import type { CurrentPart } from './current-parts.ts';
import { partEtag } from './receipts.ts';
import type { UploadRecord } from './upload.ts';

/** A part as the client lists it. */
export interface ListedPart {
  readonly number: number;
  /** Unquoted. */
  readonly etag: string;
  /** `algorithm` as the element names it: CRC32, ... */
  readonly checksums: readonly { readonly algorithm: string; readonly value: string }[];
}

/** @throws S3Error MalformedXML, InvalidPartOrder, InvalidArgument */
export function parseParts(document: string, uploadId: string): readonly ListedPart[] {
  const rows = parseXml(document, 'CompleteMultipartUpload').children('Part');
  if (rows.length === 0 || rows.length > MAX_PART_NUMBER) throw new S3Error('MalformedXML');
  const parts = rows.map(parsePart);
  parts.forEach((part, index) => {
    const before = parts[index - 1];
    if (before !== undefined && before.number >= part.number) {
      throw new S3Error('InvalidPartOrder', undefined, { details: { UploadId: uploadId } });
    }
  });
  return parts;
}

function parsePart(row: XmlNode): ListedPart {
  const text = row.value('PartNumber')?.trim() ?? '';
  const etag = row.value('ETag');
  if (!/^\d{1,9}$/.test(text) || etag === undefined) throw new S3Error('MalformedXML');
  const number = Number(text);
  if (number < 1 || number > MAX_PART_NUMBER) {
    throw new S3Error('InvalidArgument', `PartNumber must be >= 1 and <= ${MAX_PART_NUMBER}`, {
      details: { ArgumentName: 'PartNumber', ArgumentValue: text },
    });
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
    if (part === undefined || !isNamed(part, item.etag) || !checksumsAgree(record, item, part)) {
      throw new S3Error('InvalidPart', undefined, {
        details: { UploadId: record.uploadId, PartNumber: String(item.number), ETag: item.etag },
      });
    }
    return part;
  });
  parts.slice(0, -1).forEach((part, index) => {
    if (part.size < MIN_PART_BYTES) throw tooSmall(part, listed[index]?.etag ?? '');
  });
  return parts;
}

/** By either form of its ETag: the bucket's mode may have changed since the client was told one. */
function isNamed(part: CurrentPart, etag: string): boolean {
  return etag === partEtag('md5', part) || etag === partEtag('opaque', part);
}

function tooSmall(part: CurrentPart, etag: string): S3Error {
  return new S3Error('EntityTooSmall', undefined, {
    details: {
      ProposedSize: String(part.size),
      MinSizeAllowed: String(MIN_PART_BYTES),
      PartNumber: String(part.number),
      ETag: etag,
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
