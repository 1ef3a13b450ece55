/**
 * The way back: one sealed object in plain text where it is, beside live clients. Every byte was authenticated before it leaves. A single
 * PUT goes as one PUT, an object of parts as an upload with the same parts, so the store's own ETag must come out as the sealed one.
 */
import { Readable } from 'node:stream';
import type { Checksum } from '../../crypto/attributes.ts';
import type { BackendResponse } from '../backend/backend.ts';
import { discard } from '../backend/read-body.ts';
import { checksumHeader } from '../body/checksums.ts';
import { S3Error } from '../errors.ts';
import { MIGRATE_ATTEMPTS } from '../job-limits.ts';
import { SMALL_BODY_BYTES } from '../limits.ts';
import { checksumElement } from '../multipart/checksums.ts';
import { isArchived } from '../object/archived.ts';
import { inspectObject } from '../object/inspect-object.ts';
import { failureOf } from '../object/object-request.ts';
import { putStored } from '../object/put-stored.ts';
import { SplitSource } from '../object/split-source.ts';
import { META_PREFIX } from '../object/stored-metadata.ts';
import type { ObjectAddress, SealedObject } from '../object/stored-object.ts';
import { sendUpstreamPart, type UpstreamPart, uploadUpstream } from '../object/upstream-upload.ts';
import { DigestMismatch } from '../verify/verdict.ts';
import { type MigrateContext, replacing } from './context.ts';
import {
  carryOver,
  type KeptSettings,
  type ReplacedVersion,
  readSettings,
  replacedVersion,
  settingHeaders,
} from './kept-settings.ts';
import { lookWhileWritten } from './look-again.ts';
import { openChecked, partsOf } from './opened-plaintext.ts';
import { archived, type Outcome, outcome, outcomeOf } from './outcome.ts';
import { type SealedFile, spool } from './spool.ts';

/** `undefined`: deleted meanwhile. @throws S3Error, BackendUnavailable: the store's failure */
export async function decryptObject(
  context: MigrateContext,
  address: ObjectAddress,
  o: { dryRun: boolean },
): Promise<Outcome | undefined> {
  for (let left = MIGRATE_ATTEMPTS; left > 0; left -= 1) {
    try {
      return await attempt(context, address, o);
    } catch (error) {
      if (isGone(error)) return undefined;
      if (refusesChecksums(error) && !context.learnt.refusesChecksums) {
        context.learnt.refusesChecksums = true;
        continue;
      }
      const found = error instanceof DigestMismatch ? damaged(error) : outcomeOf(error);
      if (found === undefined) throw error;
      if (found !== 'again') return found;
    }
  }
  return outcome('failed', { message: 'it was replaced at every attempt', errorCode: 'ConditionalRequestConflict' });
}

/** Of the first look; a write that finds the object gone looks again. */
function isGone(error: unknown): boolean {
  return error instanceof FirstLookFailed;
}

class FirstLookFailed extends Error {}

function refusesChecksums(error: unknown): boolean {
  return error instanceof SentChecksums;
}

/** A store that takes no checksums refuses the request that has one. */
class SentChecksums extends Error {}

function damaged({ code, message }: DigestMismatch): Outcome {
  return outcome('damaged', { errorCode: code, message, httpStatus: 500 });
}

async function attempt(
  context: MigrateContext,
  address: ObjectAddress,
  o: { dryRun: boolean },
): Promise<Outcome | undefined> {
  const object = await inspectObject(context, address).catch((error: unknown) => {
    if (error instanceof S3Error && (error.status === 404 || error.code === 'MethodNotAllowed'))
      throw new FirstLookFailed();
    throw error;
  });
  if (object.kind === 'legacy') return outcome('already');
  if (isArchived(object.facts.headers)) return archived();
  if (o.dryRun) return outcome('would-decrypt', { bytes: object.size });
  const { size, late } = object;
  // What is set on a small object is read when its bytes are at hand, a moment before the write.
  const isSmall = size <= SMALL_BODY_BYTES && late.partCount === 0;
  const small = isSmall ? await gathered(await openChecked(context, { object, parts: [undefined] })) : undefined;
  if (isSmall || late.partCount > 0 || !context.learnt.holdsWhileWritten) return rewrite(context, { object, small });
  return context.spooling(async () => {
    const file = await spool(context, object);
    try {
      return await rewrite(unpaced(context), { object, small, file });
    } finally {
      await file.close();
    }
  });
}

async function rewrite(context: MigrateContext, o: Pick<Work, 'object' | 'small' | 'file'>): Promise<Outcome> {
  const { object } = o;
  const { address, facts, size } = object;
  const settings = await readSettings(context, address, facts, context.acls);
  const replaced = replacedVersion({ address, facts, settings, acls: context.acls });
  const response = await store(context, { ...o, settings, replaced });
  const newVersion = response.headers['x-amz-version-id'];
  await carryOver(context, { address, facts, written: settings, newVersion, acls: context.acls });
  const wanted = etagOf(object);
  const found = response.headers['etag']?.replaceAll('"', '');
  if (wanted === undefined) return outcome('etag-changed', { bytes: size, message: 'it was sealed without an MD5' });
  if (found === wanted) return outcome('decrypted', { bytes: size, message: givenUp(context, object) });
  return outcome('etag-changed', { bytes: size, message: "the store's ETag is no MD5" });
}

/** The MD5 form, unquoted. */
function etagOf({ late }: SealedObject): string | undefined {
  const md5 = late.md5?.toString('hex');
  return md5 === undefined || late.partCount === 0 ? md5 : `${md5}-${late.partCount}`;
}

function givenUp({ learnt }: MigrateContext, { late }: SealedObject): string {
  return learnt.refusesChecksums && late.checksums.length > 0 ? 'the store keeps no checksums' : '';
}

async function store(context: MigrateContext, o: Omit<Work, 'sendsChecksums'>): Promise<BackendResponse> {
  const { object } = o;
  const sendsChecksums = !context.learnt.refusesChecksums && object.late.checksums.length > 0;
  const work = { ...o, sendsChecksums };
  try {
    return object.late.partCount === 0 ? await putWhole(context, work) : await uploadParts(context, work);
  } catch (error) {
    if (sendsChecksums && error instanceof S3Error && error.code === 'NotImplemented') throw new SentChecksums();
    throw error;
  }
}

interface Work {
  readonly object: SealedObject;
  readonly settings: KeptSettings;
  readonly replaced: ReplacedVersion;
  /** Of a long object, where the store gives nothing of it while it is written. */
  readonly file?: SealedFile | undefined;
  /** All plaintext of a small object. */
  readonly small: Buffer | undefined;
  readonly sendsChecksums: boolean;
}

/** What the client said of the object, in clear, and what stands beside it at the store. */
function headersOf({ object, settings }: Work): Record<string, string> {
  const metadata = object.early.metadata.map(([name, value]) => [META_PREFIX + name, value] as const);
  return { ...Object.fromEntries(object.early.headers), ...Object.fromEntries(metadata), ...settingHeaders(settings) };
}

async function putWhole(context: MigrateContext, work: Work): Promise<BackendResponse> {
  const { object } = work;
  const { bucket, key } = object.address;
  const { md5, checksums } = object.late;
  const headers = {
    ...headersOf(work),
    ...(md5 === undefined ? {} : { 'content-md5': md5.toString('base64') }),
    ...(work.sendsChecksums ? checksumHeaders(checksums) : {}),
    ...replacing(context, 'put', object.facts),
  };
  // Opened before the PUT begins: some stores give nothing of the object while it runs.
  const beforeEnd = () => lookWhileWritten(context, work.replaced);
  const chunks = work.small ?? (await openChecked(context, { object, parts: [undefined], file: work.file, beforeEnd }));
  const body = Buffer.isBuffer(chunks) ? chunks : { length: object.size, chunks };
  const response = await putStored(context, { bucket, key, headers, body });
  if (response.status !== 200) throw await failureOf(response, { operation: 'PutObject', bucket, key });
  discard(response);
  return response;
}

/** S3 takes one checksum with a PUT. */
function checksumHeaders(checksums: readonly Checksum[]): Record<string, string> {
  const [first] = checksums.filter(({ type }) => type === 'FULL_OBJECT');
  return first === undefined ? {} : { [checksumHeader(first.algorithm)]: first.value.toString('base64') };
}

async function uploadParts(context: MigrateContext, work: Work): Promise<BackendResponse> {
  const { object, sendsChecksums } = work;
  const { bucket, key } = object.address;
  const parts = await partsOf(context, object);
  const [checksum] = object.late.checksums;
  const isKept = sendsChecksums && checksum !== undefined && object.late.table?.checksum === checksum.algorithm;
  const algorithm = isKept ? checksum.algorithm : undefined;
  const headers = {
    ...headersOf(work),
    ...(isKept ? { 'x-amz-checksum-algorithm': checksum.algorithm, 'x-amz-checksum-type': checksum.type } : {}),
    ...replacing(context, 'complete', object.facts),
  };
  const beforeEnd = () => work.replaced.requireUnchanged(context);
  const source = new SplitSource(await openChecked(context, { object, parts, beforeEnd }));
  try {
    const { headers: answered, document } = await uploadUpstream(context, { bucket, key, headers }, async (upload) => {
      const sent: UpstreamPart[] = [];
      for (const part of parts) {
        const named =
          algorithm === undefined || part.checksum === undefined ? undefined : part.checksum.toString('base64');
        const etag = await sendUpstreamPart(context, upload, {
          number: part.number,
          body: { length: part.size, chunks: source.take(part.size) },
          headers: {
            ...(part.md5 === undefined ? {} : { 'content-md5': part.md5.toString('base64') }),
            ...(named === undefined || algorithm === undefined ? {} : { [checksumHeader(algorithm)]: named }),
          },
        });
        const element = named === undefined || algorithm === undefined ? {} : { [checksumElement(algorithm)]: named };
        sent.push({ number: part.number, etag, checksum: element });
      }
      // All plaintext has passed its checks by then, and nothing was changed at the store meanwhile.
      await source.drain();
      return sent;
    });
    const etag = document.value('ETag') ?? answered['etag'];
    return { status: 200, headers: { ...answered, ...(etag === undefined ? {} : { etag }) }, body: Readable.from([]) };
  } finally {
    await source.close();
  }
}

function unpaced(context: MigrateContext): MigrateContext {
  return { ...context, pace: async () => {} };
}

async function gathered(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const whole: Buffer[] = [];
  for await (const piece of pieces) whole.push(piece);
  return Buffer.concat(whole);
}
