/**
 * The headers that a copy of an object onto itself must name again, since S3 takes them from the request and not from the
 * source: storage class, locks, redirect, the store's own encryption, and grants of an ACL. A copy keeps the tags by itself (S3
 * API reference, CopyObject).
 */
import { parseAnswer } from '../backend/answer-xml.ts';
import { ask } from '../backend/ask.ts';
import { S3Error } from '../errors.ts';
import type { StoreAccess } from '../object/context.ts';
import { versionQuery } from '../object/object-request.ts';
import { type BackendHeaders, META_PREFIX } from '../object/stored-metadata.ts';
import type { ObjectAddress } from '../object/stored-object.ts';

const NAMED_AGAIN = [
  'x-amz-storage-class',
  'x-amz-website-redirect-location',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-bucket-key-enabled',
] as const;

const LOCK_MODE = 'x-amz-object-lock-mode';
const LOCK_UNTIL = 'x-amz-object-lock-retain-until-date';
const LEGAL_HOLD = 'x-amz-object-lock-legal-hold';

/** From the headers of a HEAD. */
export function keptHeaders(headers: BackendHeaders, now: Date): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of NAMED_AGAIN) if (headers[name] !== undefined) kept[name] = headers[name];
  const { [LOCK_MODE]: mode, [LOCK_UNTIL]: until, [LEGAL_HOLD]: hold } = headers;
  // A retention that has ended protects nothing, and cannot be asked for.
  if (mode !== undefined && until !== undefined && Date.parse(until) > now.getTime()) {
    kept[LOCK_MODE] = mode;
    kept[LOCK_UNTIL] = until;
  }
  if (hold === 'ON') kept[LEGAL_HOLD] = hold;
  // Entries that another program added beside ours.
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(META_PREFIX) && !name.startsWith(`${META_PREFIX}enc-`)) kept[name] = value;
  }
  return kept;
}

const FULL_CONTROL = 'x-amz-grant-full-control';
/** By the permission that a store names. */
const GRANT_HEADERS: ReadonlyMap<string, string> = new Map([
  ['FULL_CONTROL', FULL_CONTROL],
  ['READ', 'x-amz-grant-read'],
  ['READ_ACP', 'x-amz-grant-read-acp'],
  ['WRITE_ACP', 'x-amz-grant-write-acp'],
]);

/** ACLs of objects, asked for until a bucket turns out to have none. */
export class ObjectAcls {
  readonly #without = new Set<string>();

  /** Grant headers; nothing for what S3 gives a new object anyway, full control of its owner. @throws S3Error */
  async headersOf(context: StoreAccess, address: ObjectAddress): Promise<Record<string, string>> {
    if (this.#without.has(address.bucket)) return {};
    try {
      const { document } = await ask(context, 'GetObjectAcl', {
        method: 'GET',
        bucket: address.bucket,
        key: address.key,
        query: [['acl', ''], ...versionQuery(address)],
      });
      return grantHeaders(document);
    } catch (error) {
      if (!(error instanceof S3Error) || !WITHOUT_ACLS.has(error.code)) throw error;
      this.#without.add(address.bucket);
      return {};
    }
  }
}

const WITHOUT_ACLS: ReadonlySet<string> = new Set([
  'NotImplemented',
  'MethodNotAllowed',
  'AccessControlListNotSupported',
  'AccessDenied',
]);

function grantHeaders(document: string): Record<string, string> {
  const root = parseAnswer(document, 'AccessControlPolicy');
  const owner = root.child('Owner')?.value('ID') ?? '';
  const grantees = new Map<string, string[]>();
  for (const grant of root.child('AccessControlList')?.children('Grant') ?? []) {
    const header = GRANT_HEADERS.get(grant.value('Permission') ?? '');
    const grantee = grant.child('Grantee');
    const named = granteeText(grantee?.value('ID'), grantee?.value('URI'));
    if (header !== undefined && named !== undefined) grantees.set(header, [...(grantees.get(header) ?? []), named]);
  }
  const entries = [...grantees].map(([name, texts]) => [name, texts.join(', ')] as const);
  const ofOwner = [[FULL_CONTROL, granteeText(owner)]];
  return JSON.stringify(entries) === JSON.stringify(ofOwner) ? {} : Object.fromEntries(entries);
}

function granteeText(id: string | undefined, uri?: string): string | undefined {
  if (uri !== undefined && uri !== '') return `uri="${uri}"`;
  return id === undefined ? undefined : `id="${id}"`;
}
