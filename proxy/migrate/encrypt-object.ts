/**
 * One plain object sealed where it is, beside live clients. The bytes are read from the very version that was looked at, compared
 * with what the store keeps of them, and written on the condition that this version is still the current one. Whatever a client
 * stores meanwhile wins.
 */
import type { BackendResponse } from '../backend/backend.ts';
import { discard } from '../backend/read-body.ts';
import { plaintextBody } from '../body/plaintext-body.ts';
import { MIGRATE_ATTEMPTS } from '../job-limits.ts';
import { SMALL_BODY_BYTES } from '../limits.ts';
import { isArchived } from '../object/archived.ts';
import { legacyAttributes } from '../object/copy-legacy.ts';
import { fromStore } from '../object/from-store.ts';
import { failureOf } from '../object/object-request.ts';
import type { putStored } from '../object/put-stored.ts';
import { fetchStretch } from '../object/read-object.ts';
import { refuseReplacement } from '../object/replacement-check.ts';
import { storeObject } from '../object/store-object.ts';
import { fromBackendHeaders } from '../object/stored-metadata.ts';
import type { LegacyObject, ObjectAddress } from '../object/stored-object.ts';
import { partCountOf } from '../object/stored-part.ts';
import { CheckedPlaintext, PlaintextMismatch } from './checked-plaintext.ts';
import { type MigrateContext, paced } from './context.ts';
import {
  carryOver,
  type KeptSettings,
  type ReplacedVersion,
  readSettings,
  replacedVersion,
  settingHeaders,
} from './kept-settings.ts';
import { archived, type Outcome, outcome, outcomeOf } from './outcome.ts';
import { putInPlace } from './put-in-place.ts';
import { headFacts, md5Etag, type StoredPart, storedParts } from './store-facts.ts';
import { storeParts } from './store-parts.ts';

/** `undefined`: deleted meanwhile. @throws S3Error, BackendUnavailable: the store's failure */
export async function encryptObject(
  context: MigrateContext,
  address: ObjectAddress,
  o: { dryRun: boolean },
): Promise<Outcome | undefined> {
  // Boundaries are guessed first, which takes two requests in place of one for each part.
  let guess = true;
  for (let left = MIGRATE_ATTEMPTS; left > 0; left -= 1) {
    try {
      return await attempt(context, address, { ...o, guess });
    } catch (error) {
      if (error instanceof PlaintextMismatch && error.wasGuessed) {
        guess = false;
        continue;
      }
      const found = outcomeOf(error);
      if (found === undefined) throw error;
      if (found !== 'again') return found;
    }
  }
  return outcome('failed', { message: 'it was replaced at every attempt', errorCode: 'ConditionalRequestConflict' });
}

async function attempt(
  context: MigrateContext,
  address: ObjectAddress,
  o: { dryRun: boolean; guess: boolean },
): Promise<Outcome | undefined> {
  const facts = await headFacts(context, address);
  if (facts === undefined) return undefined;
  const sealed = fromBackendHeaders(facts.headers);
  if (sealed !== undefined) return outcome(sealed['enc-tenant'] === context.tenant.id ? 'already' : 'foreign');
  if (isArchived(facts.headers)) return archived();
  if (o.dryRun) return outcome('would-encrypt', { bytes: facts.size });
  const etag = facts.etag.replaceAll('"', '');
  const object: LegacyObject = { kind: 'legacy', address, facts, size: facts.size, etag };
  const parts = partCountOf(facts) === 0 ? undefined : await storedParts(context, address, facts, o);
  const work = { ...o, object, parts, checked: new CheckedPlaintext(facts) };
  return parts === undefined ? encryptWhole(context, work) : encryptParts(context, { ...work, parts });
}

interface Work {
  readonly object: LegacyObject;
  readonly parts: readonly StoredPart[] | undefined;
  readonly checked: CheckedPlaintext;
  readonly guess: boolean;
}

/** A single PUT, or an object of parts whose boundaries the store hides. */
async function encryptWhole(context: MigrateContext, o: Work): Promise<Outcome> {
  const { object, checked } = o;
  const isSmall = object.size <= SMALL_BODY_BYTES;
  // What is set on a small object is read when its bytes are at hand, a moment before the write.
  const early = isSmall ? undefined : await settingsOf(context, object);
  const plaintext = await read(context, object);
  const small = isSmall ? await collect(plaintext, checked) : undefined;
  if (small !== undefined) requireConfirmed(o);
  const settings = early ?? (await settingsOf(context, object));
  const chunks = small === undefined ? noted(plaintext, o) : once(small);
  const body = plaintextBody({
    plainBytes: object.size,
    chunks,
    checksums: checked.checksums.filter(({ type }) => type === 'FULL_OBJECT').map(({ algorithm }) => algorithm),
  });
  const { bucket, key } = object.address;
  const attributes = legacyAttributes(object);
  const headers = settingHeaders(settings);
  const replaced = replacedOf(context, object, settings);
  const put: typeof putStored = (_, sent) => putInPlace(context, { ...sent, replaced });
  const { response } = await storeObject(context, { bucket, key, attributes, body, headers, put });
  return ended(context, o, { response, settings });
}

async function encryptParts(context: MigrateContext, o: Work & { parts: readonly StoredPart[] }): Promise<Outcome> {
  const { object, checked, parts } = o;
  const settings = await settingsOf(context, object);
  const { bucket, key } = object.address;
  const replaced = replacedOf(context, object, settings);
  const response = await storeParts(context, {
    bucket,
    key,
    attributes: legacyAttributes(object),
    parts,
    source: await read(context, object),
    checked,
    beforeEnd: () => requireConfirmed(o),
    send: ({ headers, body }) =>
      putInPlace(context, { bucket, key, headers: { ...headers, ...settingHeaders(settings) }, body, replaced }),
  });
  return ended(context, o, { response, settings });
}

function settingsOf(context: MigrateContext, { address, facts }: LegacyObject): Promise<KeptSettings> {
  return readSettings(context, address, facts, context.acls);
}

/** Of the version that was looked at, slowly enough, and not if the body is a sealed one without its metadata. */
async function read(context: MigrateContext, object: LegacyObject): Promise<AsyncIterable<Buffer>> {
  const stored = await fetchStretch(context, object, { start: 0, end: object.size });
  return paced(refuseReplacement(context, object, fromStore(stored)), context);
}

async function collect(plaintext: AsyncIterable<Buffer>, checked: CheckedPlaintext): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of plaintext) {
    checked.update(piece);
    pieces.push(Buffer.from(piece));
  }
  checked.endPart();
  return Buffer.concat(pieces);
}

/** The pieces of a large object. The sealed body ends after their digests were compared. */
async function* noted(plaintext: AsyncIterable<Buffer>, o: Work): AsyncGenerator<Buffer> {
  for await (const piece of plaintext) {
    o.checked.update(piece);
    yield piece;
  }
  o.checked.endPart();
  requireConfirmed(o);
}

async function* once(buffer: Buffer): AsyncGenerator<Buffer> {
  if (buffer.length > 0) yield buffer;
}

function replacedOf(
  { acls }: MigrateContext,
  { address, facts }: LegacyObject,
  settings: KeptSettings,
): ReplacedVersion {
  return replacedVersion({ address, facts, settings, acls });
}

/** @throws PlaintextMismatch */
function requireConfirmed(o: Work): void {
  const isOfParts = partCountOf(o.object.facts) > 0;
  const boundaries = o.parts !== undefined || !isOfParts;
  try {
    o.checked.verify({ boundaries });
  } catch (error) {
    if (error instanceof PlaintextMismatch && isOfParts && o.guess) error.wasGuessed = true;
    throw error;
  }
}

/** The store's answer. A refusal is thrown, and then nothing was changed. @throws S3Error */
async function ended(
  context: MigrateContext,
  o: Work,
  { response, settings }: { response: BackendResponse; settings: KeptSettings },
): Promise<Outcome> {
  const { object, checked } = o;
  const { address, facts, size } = object;
  if (response.status !== 200) throw await failureOf(response, { operation: 'PutObject', ...address });
  discard(response);
  const newVersion = response.headers['x-amz-version-id'];
  await carryOver(context, { address, facts, written: settings, newVersion, acls: context.acls });
  const md5 = checked.md5({ ofParts: o.parts !== undefined }).toString('hex');
  const etag = o.parts === undefined ? md5 : `${md5}-${o.parts.length}`;
  const version = facts.versionId === undefined ? '' : `version ${facts.versionId} stays in plain text`;
  if (etag === object.etag) return outcome('encrypted', { bytes: size, message: version });
  const why = md5Etag(facts) === undefined ? 'the store had no MD5' : 'the store does not show where its parts ended';
  const unchecked = checked.isConfirmed ? '' : ', and nothing confirmed its bytes';
  return outcome('etag-changed', { bytes: size, message: [`${why}${unchecked}`, version].filter(Boolean).join('; ') });
}
