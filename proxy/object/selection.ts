/** Which plaintext bytes a GET or HEAD is about: all of them, a Range, or a part by its number. */
import type { PartEntry } from '../../crypto/footer.ts';
import { S3Error } from '../errors.ts';
import { parseHttpDate } from '../http/http-date.ts';
import type { StoreContext } from './context.ts';
import { partTable } from './footer.ts';
import { type ByteRange, contentRange, resolveRange, unsatisfiable } from './range.ts';
import { rangeOfPart } from './read-plan.ts';
import { checksumHeaders } from './reply-headers.ts';
import type { SealedObject, StoredObject } from './stored-object.ts';
import { partCountOf, storedPart } from './stored-part.ts';

/** What a request asks for of an object's bytes. */
export interface WantedBytes {
  /** The number of a part, and of nothing else. */
  readonly partNumber: number | undefined;
  /** `Range`, as sent. */
  readonly range: string | undefined;
  /** `If-Range`, as sent. */
  readonly ifRange: string | undefined;
  /** With the checksums of a part that is asked for. */
  readonly checksums: boolean;
}

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

/** @throws S3Error InvalidRange, InvalidPartNumber */
export async function selectBytes(
  context: StoreContext,
  object: StoredObject,
  wanted: WantedBytes,
): Promise<Selection> {
  if (wanted.partNumber !== undefined) return selectPart(context, object, wanted.partNumber, wanted);
  if (wanted.ifRange !== undefined && !isUnchangedSince(wanted.ifRange, object)) return { kind: 'whole' };
  const range = resolveRange(wanted.range, object.size);
  if (range === undefined) return { kind: 'whole' };
  return { kind: 'partial', range, headers: { 'Content-Range': contentRange(range, object.size) } };
}

/** RFC 9110 section 13.1.5: the very ETag, strong, or the very date. Anything else means that the range is stale. */
function isUnchangedSince(validator: string, object: StoredObject): boolean {
  const text = validator.trim();
  const forms = object.otherEtag === undefined ? [object.etag] : [object.etag, object.otherEtag];
  if (forms.some((etag) => text === `"${etag}"` || text === etag)) return true;
  return parseHttpDate(text) === Date.parse(object.facts.lastModified);
}

async function selectPart(
  context: StoreContext,
  object: StoredObject,
  number: number,
  { checksums }: WantedBytes,
): Promise<Selection> {
  if (object.kind === 'sealed' && object.layout === 2) {
    const table = await partTable(context, object);
    const range = rangeOfPart(table, number);
    const part = table.find((row) => row.number === number);
    if (range === undefined || part === undefined) throw noSuchPart(number, table.length);
    const headers = { 'x-amz-mp-parts-count': String(table.length), ...(checksums ? partChecksum(object, part) : {}) };
    return wholePart(object, range, headers);
  }
  if (object.kind === 'legacy' && partCountOf(object.facts) > 0) {
    const count = partCountOf(object.facts);
    const range = await storedPart(context, object.address, object.facts, number);
    if (range === 'none' || (range === 'hidden' && number !== 1)) throw noSuchPart(number, count);
    if (range !== 'hidden') return wholePart(object, range, { 'x-amz-mp-parts-count': String(count) });
  }
  if (number !== 1) throw noSuchPart(number, 1);
  const isChecked = checksums && object.kind === 'sealed';
  return wholePart(object, { start: 0, end: object.size }, isChecked ? checksumHeaders(object.late.checksums) : {});
}

/** No byte of an empty part can be named in Content-Range: of an empty object S3 answers the whole, of another no range. */
function wholePart(object: StoredObject, range: ByteRange, headers: Record<string, string>): Selection {
  if (range.end > range.start) return partial(object, range, headers);
  if (object.size > 0) throw unsatisfiable(undefined, object.size);
  return { kind: 'whole', headers };
}

/** The part's own checksum: the object's would not match the bytes that are sent. */
function partChecksum(object: SealedObject, part: PartEntry): Record<string, string> {
  const algorithm = object.late.table?.checksum;
  if (algorithm === undefined || part.checksum === undefined) return {};
  return { [`x-amz-checksum-${algorithm.toLowerCase()}`]: part.checksum.toString('base64') };
}

function partial(object: StoredObject, range: ByteRange, headers: Record<string, string>): Selection {
  return { kind: 'partial', range, headers: { 'Content-Range': contentRange(range, object.size), ...headers } };
}

function noSuchPart(number: number, count: number): S3Error {
  return new S3Error('InvalidPartNumber', undefined, {
    details: { PartNumberRequested: String(number), ActualPartCount: String(count) },
  });
}
