/** Which plaintext bytes a GET or HEAD is about: all of them, a Range, or a part by its number. */
import type { PartEntry } from '../../crypto/footer.ts';
import { S3Error } from '../errors.ts';
import { parseHttpDate } from '../http/http-date.ts';
import type { S3Request } from '../http/request.ts';
import { MAX_PART_NUMBER } from '../limits.ts';
import type { Call } from '../operation.ts';
import { partTable } from './footer.ts';
import { type ByteRange, contentRange, resolveRange, unsatisfiable } from './range.ts';
import { rangeOfPart } from './read-plan.ts';
import { checksumHeaders } from './reply-headers.ts';
import type { SealedObject, StoredObject } from './stored-object.ts';

export type Selection =
  | {
      readonly kind: 'whole';
      /** Beside those of the object, when a part was asked for. */
      readonly headers?: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'partial';
      readonly range: ByteRange;
      /** Content-Range, and the number of parts when one was asked for. */
      readonly headers: Readonly<Record<string, string>>;
    };

/** @throws S3Error InvalidRange, InvalidPartNumber, InvalidArgument, InvalidRequest */
export async function selectBytes(call: Call, object: StoredObject): Promise<Selection> {
  const { request } = call;
  const partNumber = request.query.get('partNumber');
  const header = request.header('range');
  if (partNumber !== undefined) {
    if (header !== undefined)
      throw new S3Error('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter.');
    return selectPart(call, object, parsePartNumber(partNumber));
  }
  const ifRange = request.header('if-range');
  if (ifRange !== undefined && !isUnchangedSince(ifRange, object)) return { kind: 'whole' };
  const range = resolveRange(header, object.size);
  if (range === undefined) return { kind: 'whole' };
  return { kind: 'partial', range, headers: { 'Content-Range': contentRange(range, object.size) } };
}

/** RFC 9110 section 13.1.5: the very ETag, strong, or the very date. Anything else means that the range is stale. */
function isUnchangedSince(validator: string, object: StoredObject): boolean {
  const text = validator.trim();
  if (text === `"${object.etag}"` || text === object.etag) return true;
  return parseHttpDate(text) === Date.parse(object.facts.lastModified);
}

/** @throws S3Error InvalidArgument */
export function parsePartNumber(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > MAX_PART_NUMBER) {
    throw new S3Error(
      'InvalidArgument',
      `Part number must be an integer between 1 and ${MAX_PART_NUMBER}, inclusive.`,
      {
        details: { ArgumentName: 'partNumber', ArgumentValue: text },
      },
    );
  }
  return number;
}

async function selectPart(call: Call, object: StoredObject, number: number): Promise<Selection> {
  if (object.kind === 'sealed' && object.layout === 2) {
    const table = await partTable(call, object);
    const range = rangeOfPart(table, number);
    const part = table.find((row) => row.number === number);
    if (range === undefined || part === undefined) throw noSuchPart(number, table.length);
    const headers = { 'x-amz-mp-parts-count': String(table.length), ...partChecksum(call, object, part) };
    return wholePart(object, range, headers);
  }
  if (number !== 1) throw noSuchPart(number, 1);
  const isChecked = wantsChecksums(call.request) && object.kind === 'sealed';
  return wholePart(object, { start: 0, end: object.size }, isChecked ? checksumHeaders(object.late.checksums) : {});
}

/** No byte of an empty part can be named in Content-Range: of an empty object S3 answers the whole, of another no range. */
function wholePart(object: StoredObject, range: ByteRange, headers: Record<string, string>): Selection {
  if (range.end > range.start) return partial(object, range, headers);
  if (object.size > 0) throw unsatisfiable(undefined, object.size);
  return { kind: 'whole', headers };
}

/** The part's own checksum: the object's would not match the bytes that are sent. */
function partChecksum(call: Call, object: SealedObject, part: PartEntry): Record<string, string> {
  const algorithm = object.late.table?.checksum;
  if (!wantsChecksums(call.request) || algorithm === undefined || part.checksum === undefined) return {};
  return { [`x-amz-checksum-${algorithm.toLowerCase()}`]: part.checksum.toString('base64') };
}

export function wantsChecksums(request: S3Request): boolean {
  return request.header('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED';
}

function partial(object: StoredObject, range: ByteRange, headers: Record<string, string>): Selection {
  return { kind: 'partial', range, headers: { 'Content-Range': contentRange(range, object.size), ...headers } };
}

function noSuchPart(number: number, count: number): S3Error {
  return new S3Error('InvalidPartNumber', undefined, {
    details: { PartNumberRequested: String(number), ActualPartCount: String(count) },
  });
}
