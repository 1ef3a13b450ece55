/**
 * Fetching and opening the sealed tail of a large object (crypto/FORMAT.md, "Footer"): one suffix GET pinned to the version
 * at hand brings the late attributes; the part table in front of them is fetched only when a read needs it.
 */
import type { Dek } from '../../crypto/dek.ts';
import { FormatError } from '../../crypto/errors.ts';
import { openFooterAttributes, openPartTable, type PartEntry, parseLocator } from '../../crypto/footer.ts';
import type { OpenedHeader } from '../../crypto/header.ts';
import { LOCATOR_BYTES } from '../../crypto/layout.ts';
import { BackendUnavailable } from '../backend/backend.ts';
import { readBody } from '../backend/read-body.ts';
import { FOOTER_GUESS_BYTES } from '../limits.ts';
import type { Call } from '../operation.ts';
import type { FooterAttributes } from './attributes-cache.ts';
import { fetchVersion } from './fetch-version.ts';
import type { ByteRange } from './range.ts';
import { MalformedSealedObject } from './stored-metadata.ts';
import {
  asObjectFailure,
  type BackendFacts,
  identityOf,
  type ObjectAddress,
  type SealedObject,
} from './stored-object.ts';

/** @throws FormatError, VersionChanged, S3Error */
export async function fetchFooter(
  call: Call,
  address: ObjectAddress,
  facts: BackendFacts,
  header: OpenedHeader,
  o: { tail: Buffer | undefined },
): Promise<FooterAttributes> {
  const identity = identityOf(call, address, facts);
  const cached = call.services.cache.get(identity)?.footer;
  if (cached?.commitment.equals(header.commitment) === true) return cached;
  if (header.layout === 0) throw new MalformedSealedObject('a small object has no footer');
  const start = Math.max(0, facts.size - FOOTER_GUESS_BYTES);
  const tail = o.tail ?? (await fetchStored(call, address, facts, { start, end: facts.size }));
  const footer = {
    ...(await openTail(call, address, facts, { dek: header.dek, layout: header.layout, tail })),
    commitment: header.commitment,
  };
  call.services.cache.add(identity, { footer, table: undefined });
  return footer;
}

async function openTail(
  call: Call,
  address: ObjectAddress,
  facts: BackendFacts,
  o: { dek: Dek; layout: 1 | 2; tail: Buffer },
): Promise<Omit<FooterAttributes, 'commitment'>> {
  const locator = parseLocator(o.tail.subarray(-LOCATOR_BYTES));
  const { attributesBytes, footerBytes } = locator;
  const end = facts.size - LOCATOR_BYTES;
  const start = end - attributesBytes;
  const inTail = o.tail.length - (facts.size - start);
  if (start < 0 || footerBytes > facts.size) throw new FormatError('LOCATOR_MALFORMED');
  const sealed =
    inTail >= 0
      ? o.tail.subarray(inTail, inTail + attributesBytes)
      : await fetchStored(call, address, facts, { start, end });
  const { early, late } = openFooterAttributes({ dek: o.dek, layout: o.layout, sealed });
  return { early, late, locator };
}

/** The part table of a multipart object, from the cache or by one ranged GET. */
export async function partTable(call: Call, object: SealedObject): Promise<readonly PartEntry[]> {
  const identity = identityOf(call, object.address, object.facts);
  const cached = call.services.cache.get(identity);
  if (cached?.table !== undefined && cached.footer?.late === object.late) return cached.table;
  const start = object.facts.size - object.footerBytes;
  const sealed = await fetchStored(call, object.address, object.facts, { start, end: start + object.tableBytes });
  const table = openTable(call, object, sealed);
  call.services.cache.add(identity, { table });
  return table;
}

function openTable(call: Call, object: SealedObject, sealed: Buffer): readonly PartEntry[] {
  try {
    return openPartTable({ dek: object.dek, late: object.late, sealed });
  } catch (error) {
    throw asObjectFailure(call, object.address, error);
  }
}

/** Stored bytes [start, end) of exactly the version that `facts` describes. @throws VersionChanged */
async function fetchStored(call: Call, address: ObjectAddress, facts: BackendFacts, range: ByteRange): Promise<Buffer> {
  const bytes = await readBody(await fetchVersion(call, address, facts, range), { maxBytes: range.end - range.start });
  if (bytes.length === range.end - range.start) return bytes;
  throw new BackendUnavailable('it sent another range than the one asked for');
}
