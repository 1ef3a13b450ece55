/**
 * What stands beside an object's bytes at the store and has to stand beside the new ones: storage class, redirect, the store's own
 * encryption, lock, legal hold, tags, grants of an ACL. If-Match on a write guards bytes only, so these are looked at again after the
 * bytes have passed, and once more after the commit where the store still has the version that was replaced.
 */
import { createHash } from 'node:crypto';
import { ask } from '../backend/ask.ts';
import type { BackendUnavailable } from '../backend/backend.ts';
import { failureText } from '../backend/trouble/explain-store-failure.ts';
import { S3Error } from '../errors.ts';
import { isOutage, patiently } from '../jobs/patience.ts';
import type { StoreAccess } from '../object/context.ts';
import { about, versionQuery } from '../object/object-request.ts';
import { META_PREFIX } from '../object/stored-metadata.ts';
import { type BackendFacts, type ObjectAddress, VersionChanged } from '../object/stored-object.ts';
import { tagsOf } from '../object/stored-tags.ts';
import { keptHeaders, type ObjectAcls } from '../rotation/kept-headers.ts';
import { renderXml, type XmlElement } from '../xml/render-xml.ts';
import { headFacts } from './store-facts.ts';

/** Headers of a PUT that sets them. */
export interface KeptSettings {
  readonly storage: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly acl: Readonly<Record<string, string>>;
}

export function settingHeaders({ storage, tags, acl }: KeptSettings): Record<string, string> {
  return { ...storage, ...tags, ...acl };
}

/** The same for another store, whose encryption is its own affair: a store without a KMS refuses even the name of a kind. */
export function settingHeadersElsewhere(settings: KeptSettings): Record<string, string> {
  const kept = Object.entries(settingHeaders(settings));
  return Object.fromEntries(kept.filter(([name]) => !name.startsWith('x-amz-server-side-encryption')));
}

/** Of the version that `facts` describes. @throws S3Error */
export async function readSettings(
  context: StoreAccess,
  address: ObjectAddress,
  facts: BackendFacts,
  acls: ObjectAcls,
): Promise<KeptSettings> {
  const version = { ...address, versionId: facts.versionId ?? address.versionId };
  const tags = await tagsOf(context, { address, facts });
  return { storage: storageOf(context, facts), tags, acl: await acls.headersOf(context, version) };
}

/** Metadata are not among them: they are sealed, or were. */
function storageOf(context: StoreAccess, facts: BackendFacts): Record<string, string> {
  const kept = Object.entries(keptHeaders(facts.headers, context.store.now()));
  return Object.fromEntries(kept.filter(([name]) => !name.startsWith(META_PREFIX)));
}

/**
 * Nothing has changed since `settings` was read.
 * @throws VersionChanged
 */
async function requireUnchanged(
  context: StoreAccess,
  o: { address: ObjectAddress; facts: BackendFacts; settings: KeptSettings; acls: ObjectAcls },
): Promise<void> {
  const now = await headFacts(context, o.address);
  if (now === undefined || !isSameVersion(now, o.facts)) throw new VersionChanged();
  const settings = await readSettings(context, o.address, now, o.acls);
  if (JSON.stringify(settings) !== JSON.stringify(o.settings)) throw new VersionChanged();
}

/** The version that is to be replaced, as it was read. */
export interface ReplacedVersion {
  readonly facts: BackendFacts;
  readonly isLocked: boolean;
  /** @throws VersionChanged */
  requireUnchanged(context: StoreAccess): Promise<void>;
}

export function replacedVersion(o: {
  address: ObjectAddress;
  facts: BackendFacts;
  settings: KeptSettings;
  acls: ObjectAcls;
}): ReplacedVersion {
  const isLocked = Object.keys(o.settings.storage).some((name) => name.startsWith('x-amz-object-lock-'));
  return { facts: o.facts, isLocked, requireUnchanged: (context) => requireUnchanged(context, o) };
}

/** A copy onto itself changes metadata and keeps the ETag; it changes the time. */
export function isSameVersion(a: BackendFacts, b: BackendFacts): boolean {
  const described = ({ headers, etag, lastModified, versionId, size }: BackendFacts) => {
    const metadata = Object.entries(headers).filter(([name]) => name.startsWith(META_PREFIX) || DESCRIBING.has(name));
    return JSON.stringify([etag, lastModified, versionId, size, metadata.sort()]);
  };
  return described(a) === described(b);
}

const DESCRIBING: ReadonlySet<string> = new Set([
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
]);

export interface Replacement {
  readonly address: ObjectAddress;
  /** Of the version that was replaced. */
  readonly facts: BackendFacts;
  readonly written: KeptSettings;
  readonly newVersion: string | undefined;
  readonly acls: ObjectAcls;
}

/** The object was rewritten, and the store did not let what a client had set meanwhile follow. */
export class NotCarriedOver extends Error {
  constructor(cause: S3Error | BackendUnavailable) {
    super(failureText(cause), { cause });
  }
}

/**
 * After the commit: what was set on the replaced version between the reading and the commit is set on the new version. What a client
 * has set on the new version meanwhile stays. Without the replaced version there is nothing to compare with. The object counts as done
 * when it is looked at again, so a store that is busy is asked again here.
 * @throws NotCarriedOver
 */
export async function carryOver(context: StoreAccess, o: Replacement): Promise<void> {
  try {
    await patiently(() => carry(context, o), context.signal);
  } catch (error) {
    if (!isOutage(error) || context.signal.aborted) throw error;
    // Either version may be gone by then: somebody deleted it.
    if (error instanceof S3Error && (error.status === 404 || error.status === 405)) return;
    throw new NotCarriedOver(error);
  }
}

/** May be done twice. @throws S3Error, BackendUnavailable */
async function carry(context: StoreAccess, o: Replacement): Promise<void> {
  const { address, facts, written, newVersion: versionId, acls } = o;
  if (facts.versionId === undefined || versionId === undefined || facts.versionId === versionId) return;
  const replaced = await headFacts(context, { ...address, versionId: facts.versionId });
  if (replaced === undefined) return;
  const before = await readSettings(context, address, replaced, acls);
  const target = { ...address, versionId };
  if (isSame(before, written)) return;
  const found = await headFacts(context, target);
  if (found === undefined) return;
  const now = await readSettings(context, address, found, acls);
  if (!isSame(before.tags, written.tags) && isSame(now.tags, written.tags)) await putTags(context, target, before.tags);
  if (!isSame(before.acl, written.acl) && isSame(now.acl, written.acl)) await putAcl(context, target, before.acl);
  await putLock(context, target, { before: before.storage, written: written.storage, now: now.storage });
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

async function putTags(
  context: StoreAccess,
  target: ObjectAddress,
  { 'x-amz-tagging': text = '' }: Readonly<Record<string, string>>,
): Promise<void> {
  const Tag = text === '' ? [] : text.split('&').map((pair) => pair.split('=').map(decodeURIComponent));
  const TagSet = { Tag: Tag.map(([Key = '', Value = '']) => ({ Key, Value })) };
  await put(context, target, { operation: 'PutObjectTagging', name: 'tagging', root: 'Tagging', content: { TagSet } });
}

async function putAcl(
  context: StoreAccess,
  target: ObjectAddress,
  acl: Readonly<Record<string, string>>,
): Promise<void> {
  const headers = Object.keys(acl).length === 0 ? { 'x-amz-acl': 'private' } : acl;
  const request = { ...about(context, target), headers, query: [['acl', ''] as const, ...versionQuery(target)] };
  await ask(context, 'PutObjectAcl', { method: 'PUT', ...request });
}

const MODE = 'x-amz-object-lock-mode';
const UNTIL = 'x-amz-object-lock-retain-until-date';
const HOLD = 'x-amz-object-lock-legal-hold';

async function putLock(
  context: StoreAccess,
  target: ObjectAddress,
  o: Readonly<Record<'before' | 'written' | 'now', Readonly<Record<string, string>>>>,
): Promise<void> {
  const { before, written, now } = o;
  const differs = (name: string) => before[name] !== written[name] && now[name] === written[name];
  if ((differs(MODE) || differs(UNTIL)) && before[MODE] !== undefined) {
    const content = { Mode: before[MODE], RetainUntilDate: before[UNTIL] };
    await put(context, target, { operation: 'PutObjectRetention', name: 'retention', root: 'Retention', content });
  }
  if (!differs(HOLD)) return;
  const content = { Status: before[HOLD] ?? 'OFF' };
  await put(context, target, { operation: 'PutObjectLegalHold', name: 'legal-hold', root: 'LegalHold', content });
}

async function put(
  context: StoreAccess,
  target: ObjectAddress,
  o: { operation: string; name: string; root: string; content: XmlElement },
): Promise<void> {
  const body = Buffer.from(renderXml(o.root, o.content));
  const digest = createHash('md5').update(body).digest('base64');
  const headers = { ...context.accountHeaders, 'content-type': 'application/xml', 'content-md5': digest };
  const query = [[o.name, ''] as const, ...versionQuery(target)];
  const { bucket, key } = target;
  await ask(context, o.operation, { method: 'PUT', bucket, key, query, headers, body });
}
