/**
 * Stored bytes and what stands beside them, from one store to another as they are: no key is needed, and none opens more afterwards. Names
 * must stay, since objects open under their own names only.
 */
import { discard } from '../backend/read-body.ts';
import { S3Error } from '../errors.ts';
import { isArchived } from '../object/archived.ts';
import { CONTENT_HEADERS } from '../object/client-attributes.ts';
import type { StoreAccess } from '../object/context.ts';
import { fromStore } from '../object/from-store.ts';
import { failureOf } from '../object/object-request.ts';
import { putStored } from '../object/put-stored.ts';
import { fetchStretch } from '../object/read-object.ts';
import { SplitSource } from '../object/split-source.ts';
import { META_PREFIX, STORED_HEADERS } from '../object/stored-metadata.ts';
import { type BackendFacts, type ObjectAddress, VersionChanged } from '../object/stored-object.ts';
import { partCountOf } from '../object/stored-part.ts';
import { sendUpstreamPart, type UpstreamPart, uploadUpstream } from '../object/upstream-upload.ts';
import { ObjectAcls } from '../rotation/kept-headers.ts';
import { readSettings, settingHeadersElsewhere } from './kept-settings.ts';
import { isLockedBy, putLocked } from './put-locked.ts';
import type { Copier } from './replay.ts';
import { headFacts, md5Etag, type StoredPart, storedParts } from './store-facts.ts';

export interface RawCopyOptions {
  readonly source: StoreAccess;
  readonly target: StoreAccess;
  readonly bucket: string;
  readonly versions: boolean;
  readonly pace: (bytes: number) => Promise<void>;
}

export function rawCopier(o: RawCopyOptions): Copier {
  const acls = new ObjectAcls();
  const { source, target, bucket } = o;
  return {
    from: bucket,
    to: bucket,
    target,
    versions: o.versions,
    async isCopy(from, to) {
      const [one, other] = await Promise.all([headFacts(source, from), headFacts(target, to)]);
      return one !== undefined && other !== undefined && identityOf(one) === identityOf(other);
    },
    async copy(from, to) {
      const facts = await headFacts(source, from);
      if (facts === undefined) throw new VersionChanged();
      if (isArchived(facts.headers)) throw new S3Error('InvalidObjectState');
      const settings = await readSettings(source, from, facts, acls);
      const headers = {
        ...described(facts),
        ...settingHeadersElsewhere(settings),
        ...(o.versions ? {} : { 'if-none-match': '*' }),
      };
      const etag = await send(o, { from, to, facts, headers });
      const wanted = facts.etag.replaceAll('"', '');
      // A sealed body tells by itself whether it is whole; of a plain one only the ETag does.
      const isSealed = facts.headers[STORED_HEADERS[0]] !== undefined;
      if (!isSealed && md5Etag(facts) !== undefined && etag !== wanted) throw mismatch();
      return facts.size;
    },
  };
}

function mismatch(): S3Error {
  return new S3Error('BadDigest', "The copy's ETag is another than the source's.");
}

/** Sealed: the wrapped data key is random. Plain: the ETag, with all that describes the object. */
function identityOf(facts: BackendFacts): string {
  const isSealed = facts.headers[STORED_HEADERS[0]] !== undefined;
  return JSON.stringify([facts.size, isSealed ? '' : facts.etag, Object.entries(described(facts)).sort()]);
}

function described({ headers }: BackendFacts): Record<string, string> {
  const kept = Object.entries(headers).filter(
    ([name]) => CONTENT_HEADERS.includes(name) || name.startsWith(META_PREFIX),
  );
  return Object.fromEntries(kept);
}

interface Sending {
  readonly from: ObjectAddress;
  readonly to: ObjectAddress;
  readonly facts: BackendFacts;
  readonly headers: Readonly<Record<string, string>>;
}

/** @returns the copy's ETag, unquoted */
async function send(o: RawCopyOptions, s: Sending): Promise<string> {
  const { facts, from, to, headers } = s;
  const isSealed = facts.headers[STORED_HEADERS[0]] !== undefined;
  const count = partCountOf(facts);
  const parts = isSealed || count === 0 ? undefined : await storedParts(o.source, from, facts, { guess: false });
  const stored = await fetchStretch(o.source, { address: from, facts }, { start: 0, end: facts.size });
  const chunks = paced(fromStore(stored), o.pace);
  try {
    if (parts !== undefined) return await sendParts(o, s, { parts, chunks });
    const md5 = md5Etag(facts);
    const digest =
      md5 === undefined || md5.parts > 0 ? {} : { 'content-md5': Buffer.from(md5.hex, 'hex').toString('base64') };
    const put = isLockedBy(headers) && !('content-md5' in digest) ? putLocked : putStored;
    const body = { length: facts.size, chunks };
    const response = await put(o.target, { ...to, headers: { ...headers, ...digest }, body });
    if (response.status !== 200) throw await failureOf(response, { operation: 'PutObject', ...to });
    discard(response);
    return unquoted(response.headers['etag']);
  } finally {
    stored.destroy();
  }
}

/** A plain object of parts, with the same parts: its ETag stays. */
async function sendParts(
  o: RawCopyOptions,
  { to, headers }: Sending,
  { parts, chunks }: { parts: readonly StoredPart[]; chunks: AsyncIterable<Buffer> },
): Promise<string> {
  const source = new SplitSource(chunks);
  try {
    const { document } = await uploadUpstream(o.target, { ...to, headers }, async (upload) => {
      const sent: UpstreamPart[] = [];
      for (const { number, size } of parts) {
        const body = { length: size, chunks: source.take(size) };
        sent.push({ number, etag: await sendUpstreamPart(o.target, upload, { number, body }) });
      }
      return sent;
    });
    return unquoted(document.value('ETag'));
  } finally {
    await source.close();
  }
}

function unquoted(etag: string | undefined): string {
  return (etag ?? '').replaceAll('"', '');
}

async function* paced(chunks: AsyncIterable<Buffer>, pace: RawCopyOptions['pace']): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    await pace(chunk.length);
    yield chunk;
  }
}
