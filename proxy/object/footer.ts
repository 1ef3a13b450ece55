/**
 * Fetching and opening the sealed tail of a large object (crypto/FORMAT.md, "Footer"): one suffix GET pinned to the version
 * at hand brings the late attributes; the part table in front of them is fetched only when a read needs it.
 */
import { checkPad, padBytesOf } from '../../crypto/body.ts';
import type { DataKey } from '../../crypto/data-key.ts';
import { FormatError } from '../../crypto/errors.ts';
import { openFooterAttributes, openPartTable, type PartEntry, parseLocator } from '../../crypto/footer.ts';
import type { OpenedHeader } from '../../crypto/header.ts';
import { LOCATOR_BYTES } from '../../crypto/layout.ts';
import { BackendUnavailable } from '../backend/backend.ts';
import { readBody } from '../backend/read-body.ts';
import { FOOTER_GUESS_BYTES } from '../limits.ts';
import type { FooterAttributes } from './attributes-cache.ts';
import type { StoreContext } from './context.ts';
import { asObjectFailure } from './damaged-object.ts';
import { fetchVersion } from './fetch-version.ts';
import type { ByteRange } from './range.ts';
import { MalformedSealedObject } from './stored-metadata.ts';
import type { BackendFacts, ObjectAddress, SealedObject } from './stored-object.ts';
import { identityOf } from './version-identity.ts';

/** @throws FormatError, VersionChanged, S3Error */
export async function fetchFooter(
  context: StoreContext,
  address: ObjectAddress,
  facts: BackendFacts,
  header: OpenedHeader,
  o: { tail: Buffer | undefined },
): Promise<FooterAttributes> {
  const identity = identityOf(context, address, facts);
  const cached = context.store.cache.get(identity)?.footer;
  if (cached !== undefined && belongsTo(cached, header)) return cached;
  if (header.layout === 0) throw new MalformedSealedObject('a small object has no footer');
  const start = Math.max(0, facts.size - FOOTER_GUESS_BYTES);
  const tail = o.tail ?? (await fetchStored(context, address, facts, { start, end: facts.size }));
  const { dek, binding, commitment, layout } = header;
  const footer = { ...(await openTail(context, address, facts, { dek, binding, layout, tail })), commitment, binding };
  context.store.cache.add(identity, { footer, table: undefined });
  return footer;
}

/** The store tells one version from another, and may lie: what was opened for one header says nothing of another. */
function belongsTo(footer: FooterAttributes, header: OpenedHeader): boolean {
  return footer.commitment.equals(header.commitment) && footer.binding.equals(header.binding);
}

async function openTail(
  context: StoreContext,
  address: ObjectAddress,
  facts: BackendFacts,
  o: DataKey & { layout: 1 | 2; tail: Buffer },
): Promise<Omit<FooterAttributes, 'commitment' | 'binding'>> {
  const locator = parseLocator(o.tail.subarray(-LOCATOR_BYTES));
  const { attributesBytes, endBytes } = locator;
  const end = facts.size - LOCATOR_BYTES;
  const start = end - attributesBytes;
  const inTail = o.tail.length - (facts.size - start);
  if (start < 0 || endBytes > facts.size) throw new FormatError('LOCATOR_MALFORMED');
  const sealed =
    inTail >= 0
      ? o.tail.subarray(inTail, inTail + attributesBytes)
      : await fetchStored(context, address, facts, { start, end });
  const { early, late } = openFooterAttributes({ ...o, sealed });
  return { early, late, locator };
}

/** The part table of a multipart object, from the cache or by one ranged GET. */
export async function partTable(context: StoreContext, object: SealedObject): Promise<readonly PartEntry[]> {
  const identity = identityOf(context, object.address, object.facts);
  const cached = context.store.cache.get(identity);
  if (cached?.table !== undefined && cached.footer?.late === object.late) return cached.table;
  const start = object.facts.size - object.footerBytes + padBytesOf(object.late);
  const sealed = await fetchStored(context, object.address, object.facts, { start, end: start + object.tableBytes });
  const table = await openTable(context, object, sealed);
  context.store.cache.add(identity, { table });
  return table;
}

async function openTable(context: StoreContext, object: SealedObject, sealed: Buffer): Promise<readonly PartEntry[]> {
  try {
    return openPartTable({ dek: object.dek, late: object.late, sealed });
  } catch (error) {
    throw await asObjectFailure(context, object.address, error);
  }
}

/** Checks the pad, for whoever looks at all of an object and fetches its parts alone. @throws S3Error InternalError */
export async function checkStoredPad(context: StoreContext, object: SealedObject): Promise<void> {
  const start = object.facts.size - object.footerBytes;
  const end = start + padBytesOf(object.late);
  if (start === end) return;
  try {
    checkPad(await fetchStored(context, object.address, object.facts, { start, end }));
  } catch (error) {
    throw await asObjectFailure(context, object.address, error);
  }
}

/** Stored bytes [start, end) of exactly the version that `facts` describes. @throws VersionChanged */
async function fetchStored(
  context: StoreContext,
  address: ObjectAddress,
  facts: BackendFacts,
  range: ByteRange,
): Promise<Buffer> {
  const bytes = await readBody(await fetchVersion(context, address, facts, range), {
    maxBytes: range.end - range.start,
  });
  if (bytes.length === range.end - range.start) return bytes;
  throw new BackendUnavailable('it sent another range than the one asked for');
}
