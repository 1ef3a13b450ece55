/**
 * What the store says of a plain object, and what of it can be checked: an ETag that is an MD5, checksums, and where its parts end.
 * Source: Amazon S3 user guide, "Checking object integrity", and S3 API reference, HeadObject, `partNumber`.
 */
import { discard } from '../backend/read-body.ts';
import { CHECKSUM_NAMES, type ChecksumName, checksumHeader, decodeChecksum } from '../body/checksums.ts';
import { mapBounded } from '../concurrency/map-bounded.ts';
import { PART_HEADS_AT_ONCE } from '../job-limits.ts';
import { MAX_PART_NUMBER } from '../limits.ts';
import type { StoreAccess } from '../object/context.ts';
import { about, factsOf, failureOf } from '../object/object-request.ts';
import type { BackendHeaders } from '../object/stored-metadata.ts';
import type { BackendFacts, ObjectAddress } from '../object/stored-object.ts';
import { partCountOf, storedPart } from '../object/stored-part.ts';

/** `undefined` when it is not there, or a delete marker is on top of it. @throws S3Error, BackendUnavailable */
export async function headFacts(context: StoreAccess, address: ObjectAddress): Promise<BackendFacts | undefined> {
  const { headers, ...request } = about(context, address);
  const asked = { ...headers, 'x-amz-checksum-mode': 'ENABLED' };
  const response = await context.store.backend.send({ method: 'HEAD', ...request, headers: asked });
  discard(response);
  if (response.status === 404 || response.status === 405) return undefined;
  if (response.status !== 200) throw await failureOf(response, { operation: 'HeadObject', ...address });
  return factsOf(response.headers);
}

/** The ETag as what it says of the plaintext; `undefined` when it is no MD5, as under the store's encryption with other keys. */
export function md5Etag({ etag, headers }: BackendFacts): { readonly hex: string; readonly parts: number } | undefined {
  const encryption = headers['x-amz-server-side-encryption'] ?? 'AES256';
  const isOther = encryption !== 'AES256' || headers['x-amz-server-side-encryption-customer-algorithm'] !== undefined;
  const [, hex, parts = '0'] = /^"?([0-9a-f]{32})(?:-(\d{1,5}))?"?$/.exec(etag) ?? [];
  return hex === undefined || isOther ? undefined : { hex, parts: Number(parts) };
}

export interface StoreChecksum {
  readonly algorithm: ChecksumName;
  readonly type: 'FULL_OBJECT' | 'COMPOSITE';
  readonly value: Buffer;
}

/** Checksums that the store keeps. A value that cannot be read is left out. */
export function checksumsOf(headers: BackendHeaders): StoreChecksum[] {
  return CHECKSUM_NAMES.flatMap((algorithm): StoreChecksum[] => {
    const [text = '', count] = (headers[checksumHeader(algorithm)] ?? '').split('-');
    const value = decodeChecksum(algorithm, text);
    if (value === undefined) return [];
    const isComposite = count !== undefined || headers['x-amz-checksum-type'] === 'COMPOSITE';
    return [{ algorithm, type: isComposite ? 'COMPOSITE' : 'FULL_OBJECT', value }];
  });
}

export interface StoredPart {
  readonly number: number;
  readonly size: number;
}

/**
 * Number and bytes of each part, in order; `undefined` where the store does not show them. With `guess` only the first and the last
 * part are asked for, if all between them can be as long as the first: the ETag tells whether they are. Numbers may have gaps.
 * @throws VersionChanged, S3Error
 */
export async function storedParts(
  context: StoreAccess,
  address: ObjectAddress,
  facts: BackendFacts,
  o: { guess: boolean },
): Promise<readonly StoredPart[] | undefined> {
  const count = partCountOf(facts);
  const look = async (number: number) => ({ number, range: await storedPart(context, address, facts, number) });
  const { range: first } = await look(1);
  if (first === 'hidden') return undefined;
  if (o.guess && first !== 'none') {
    const size = first.end;
    const last = facts.size - size * (count - 1);
    const sizes = Array.from({ length: count }, (_, at) => (at < count - 1 ? size : last));
    // Where the part of that number ends the object, no number is missing.
    const { range: end } = last > 0 && last <= size ? await look(count) : { range: 'none' as const };
    const isEnd = typeof end === 'object' && end.end === facts.size && end.start === facts.size - last;
    if (isEnd) return sizes.map((bytes, at) => ({ number: at + 1, size: bytes }));
  }
  const parts: StoredPart[] = [];
  for (let from = 1; parts.length < count && from <= MAX_PART_NUMBER; from += LOOKED_AT) {
    const length = Math.min(LOOKED_AT, MAX_PART_NUMBER + 1 - from);
    const numbers = Array.from({ length }, (_, at) => from + at);
    for (const { number, range } of await mapBounded(numbers, PART_HEADS_AT_ONCE, look)) {
      if (range === 'hidden') return undefined;
      if (range !== 'none') parts.push({ number, size: range.end - range.start });
    }
  }
  const total = parts.reduce((sum, { size }) => sum + size, 0);
  return parts.length === count && total === facts.size ? parts : undefined;
}

/** Numbers that are asked for before the found parts are counted. */
const LOOKED_AT = 4 * PART_HEADS_AT_ONCE;
