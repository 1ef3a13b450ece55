/**
 * Objects of a bucket in a bucket of another store, through the keys of both: opened with the key of the tenant that has them, sealed with
 * that of the tenant that gets them. Nothing lies anywhere in plain text on the way. ETags, checksums and the boundaries of parts stay.
 */
import type { HeaderPair } from '../../crypto/attributes.ts';
import type { BackendResponse } from '../backend/backend.ts';
import { discard } from '../backend/read-body.ts';
import { checksumHeader } from '../body/checksums.ts';
import { plaintextBody } from '../body/plaintext-body.ts';
import { S3Error } from '../errors.ts';
import { isArchived } from '../object/archived.ts';
import type { StoreContext } from '../object/context.ts';
import { legacyAttributes } from '../object/copy-legacy.ts';
import { fromStore } from '../object/from-store.ts';
import { inspectObject } from '../object/inspect-object.ts';
import { failureOf } from '../object/object-request.ts';
import { putStored } from '../object/put-stored.ts';
import { fetchStretch } from '../object/read-object.ts';
import { refuseReplacement } from '../object/replacement-check.ts';
import { storeObject } from '../object/store-object.ts';
import type { BackendFacts, ObjectAddress, SealedObject, StoredObject } from '../object/stored-object.ts';
import { partCountOf } from '../object/stored-part.ts';
import { ObjectAcls } from '../rotation/kept-headers.ts';
import { CheckedPlaintext } from './checked-plaintext.ts';
import { paced, type ReadingContext } from './context.ts';
import { readSettings, settingHeadersElsewhere } from './kept-settings.ts';
import { openChecked, partsOf } from './opened-plaintext.ts';
import { isLockedBy, putLocked } from './put-locked.ts';
import type { Copier } from './replay.ts';
import { headFacts, md5Etag, type StoredPart, storedParts } from './store-facts.ts';
import { storeParts } from './store-parts.ts';

export interface AcrossOptions {
  readonly source: ReadingContext;
  readonly target: StoreContext;
  readonly from: string;
  readonly to: string;
  readonly versions: boolean;
}

export function acrossCopier(o: AcrossOptions): Copier {
  const { source, target } = o;
  const acls = new ObjectAcls();
  return {
    from: o.from,
    to: o.to,
    target,
    versions: o.versions,
    async isCopy(from, to) {
      const [one, other] = [await inspectObject(source, from), await inspectObject(target, to)];
      return other.kind === 'sealed' && identityOf(one) === identityOf(other) && haveSameBytes(one, other);
    },
    async copy(from, to) {
      const object = await inspectObject(source, from);
      if (isArchived(object.facts.headers)) throw new S3Error('InvalidObjectState');
      const settings = await readSettings(source, from, object.facts, acls);
      // Where no versions are kept, nothing that appears meanwhile is written over.
      const headers = { ...settingHeadersElsewhere(settings), ...(o.versions ? {} : { 'if-none-match': '*' }) };
      const response = await seal(o, await read(source, object), { to, headers });
      if (response.status !== 200) throw await failureOf(response, { operation: 'PutObject', ...to });
      discard(response);
      return object.size;
    },
  };
}

function attributesOf(object: StoredObject) {
  return object.kind === 'sealed' ? object.early : legacyAttributes(object);
}

function identityOf(object: StoredObject): string {
  const { headers, metadata } = attributesOf(object);
  const sorted = (pairs: readonly HeaderPair[]) => pairs.map(([name, value]) => [name, value]).toSorted();
  return JSON.stringify([object.size, sorted(headers), sorted(metadata)]);
}

/** As far as both have an MD5 of the same kind. The boundaries of parts may have been hidden. */
function haveSameBytes(one: StoredObject, other: SealedObject): boolean {
  const [a, b] = [md5Etag(plainFacts(one)), md5Etag(plainFacts(other))];
  return a === undefined || b === undefined || a.parts !== b.parts || a.hex === b.hex;
}

/** What is read of an object, and how it is told that all of it came. */
interface Reading {
  readonly object: StoredObject;
  readonly parts: readonly StoredPart[] | undefined;
  readonly plaintext: AsyncIterable<Buffer>;
  readonly checked: CheckedPlaintext;
}

async function read(source: ReadingContext, object: StoredObject): Promise<Reading> {
  if (object.kind === 'sealed') {
    const parts = object.late.partCount === 0 ? undefined : await partsOf(source, object);
    const plaintext = await openChecked(source, { object, parts: parts ?? [undefined] });
    return { object, parts, plaintext, checked: new CheckedPlaintext(plainFacts(object)) };
  }
  const { address } = object;
  // A HEAD that asks for the checksums, too.
  const facts = (await headFacts(source, address)) ?? object.facts;
  const parts = partCountOf(facts) === 0 ? undefined : await storedParts(source, address, facts, { guess: false });
  const stored = await fetchStretch(source, object, { start: 0, end: object.size });
  const plaintext = paced(refuseReplacement(source, object, fromStore(stored)), source);
  return { object, parts, plaintext, checked: new CheckedPlaintext(facts) };
}

/** What a store would say of the object in plain text. */
function plainFacts(object: StoredObject): BackendFacts {
  const { facts } = object;
  if (object.kind === 'legacy') return facts;
  const { md5, partCount, checksums } = object.late;
  const count = partCount === 0 ? '' : `-${partCount}`;
  const headers = checksums.map(({ algorithm, type, value }) => {
    const text = value.toString('base64');
    return [checksumHeader(algorithm), type === 'COMPOSITE' ? `${text}${count}` : text] as const;
  });
  const etag = md5 === undefined ? '' : `"${md5.toString('hex')}${count}"`;
  return { ...facts, etag, size: object.size, headers: Object.fromEntries(headers) };
}

async function seal(
  { target }: AcrossOptions,
  reading: Reading,
  o: { to: ObjectAddress; headers: Readonly<Record<string, string>> },
): Promise<BackendResponse> {
  const { object, parts, plaintext, checked } = reading;
  const { bucket, key } = o.to;
  const { headers: described, metadata } = attributesOf(object);
  const attributes = { headers: described, metadata };
  const put = isLockedBy(o.headers) ? putLocked : putStored;
  if (parts !== undefined) {
    const verify = () => checked.verify({ boundaries: true });
    return storeParts(target, {
      ...{ bucket, key, attributes, parts, checked },
      source: plaintext,
      beforeEnd: verify,
      send: ({ headers, body }) => put(target, { bucket, key, headers: { ...headers, ...o.headers }, body }),
    });
  }
  const body = plaintextBody({
    plainBytes: object.size,
    chunks: noted(reading),
    checksums: checked.checksums.filter(({ type }) => type === 'FULL_OBJECT').map(({ algorithm }) => algorithm),
  });
  return (await storeObject(target, { bucket, key, attributes, body, headers: o.headers, put })).response;
}

/** Compared at its end, before the sealed body ends. */
async function* noted({ object, plaintext, checked }: Reading): AsyncGenerator<Buffer> {
  for await (const piece of plaintext) {
    checked.update(piece);
    yield piece;
  }
  checked.endPart();
  checked.verify({ boundaries: partCountOf(plainFacts(object)) === 0 });
}
