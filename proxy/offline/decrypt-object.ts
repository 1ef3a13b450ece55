/**
 * One object out of a store into a file, opened with the tenant's root keys alone. Every segment is authenticated, the length
 * is the sealed one, and where the ETag is an MD5 it is compared too; only then does the file appear under its name.
 */
import { createHash } from 'node:crypto';
import { FormatError } from '../../crypto/errors.ts';
import { failureText } from '../backend/trouble/explain-store-failure.ts';
import { S3Error } from '../errors.ts';
import type { StoreContext } from '../object/context.ts';
import { legacyAttributes } from '../object/copy-legacy.ts';
import { checkStoredPad } from '../object/footer.ts';
import { inspectObject } from '../object/inspect-object.ts';
import { readChecked } from '../object/replacement-check.ts';
import { MalformedSealedObject } from '../object/stored-metadata.ts';
import { ForeignObject, type ObjectAddress, type StoredObject } from '../object/stored-object.ts';
import { type WriteOptions, writeAside } from './write-aside.ts';

/** What a HEAD would say of the object, for the file beside it. */
export interface ObjectDescription {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | undefined;
  /** `legacy`: it was stored unencrypted, and copied as it is. */
  readonly kind: 'sealed' | 'legacy';
  readonly size: number;
  /** Quoted, as clients see it. */
  readonly etag: string;
  readonly lastModified: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly checksums: readonly { readonly algorithm: string; readonly type: string; readonly value: string }[];
}

export interface OpenedObject {
  readonly description: ObjectDescription;
  /** Plaintext, fetched when it is read; its iteration throws when a part of it is not authentic. */
  readonly chunks: AsyncIterable<Buffer>;
}

/** The iteration of its chunks throws VersionChanged when the object is replaced meanwhile. @throws S3Error, BackendUnavailable */
export async function openObject(context: StoreContext, address: ObjectAddress): Promise<OpenedObject> {
  const object = await inspectObject(context, address);
  return { description: describe(object), chunks: read(context, object) };
}

/** @returns bytes written @throws FileExists, and as `openObject` */
export function writeObject(path: string, object: OpenedObject, o: { replace: boolean }): Promise<number> {
  const time = new Date(object.description.lastModified);
  const options: WriteOptions = { ...o, modified: Number.isNaN(time.getTime()) ? undefined : time };
  return writeAside(path, object.chunks, options);
}

/** The description as a JSON document beside the object's file. */
export function writeDescription(path: string, object: OpenedObject, o: { replace: boolean }): Promise<number> {
  const text = `${JSON.stringify(object.description, null, 2)}\n`;
  return writeAside(path, one(Buffer.from(text)), o);
}

async function* one(chunk: Buffer): AsyncGenerator<Buffer> {
  yield chunk;
}

/** At the end a last look: the pad is zero, and a single object's MD5, where it has one, is that of its plaintext. */
async function* read(context: StoreContext, object: StoredObject): AsyncGenerator<Buffer> {
  const md5 = createHash('md5');
  for await (const chunk of await readChecked(context, object, { start: 0, end: object.size })) {
    md5.update(chunk);
    yield chunk;
  }
  if (object.kind === 'legacy') return;
  await checkStoredPad(context, object);
  const { md5: wanted, partCount } = object.late;
  if (partCount !== 0 || wanted === undefined) return;
  if (!md5.digest().equals(wanted)) throw new MalformedSealedObject('the plaintext is not the one of its ETag');
}

function describe(object: StoredObject): ObjectDescription {
  const { address, facts, kind, size } = object;
  const common = {
    bucket: address.bucket,
    key: address.key,
    versionId: facts.versionId ?? address.versionId,
    kind,
    size,
    etag: `"${object.etag}"`,
    lastModified: facts.lastModified,
  };
  if (object.kind === 'legacy') {
    const { headers, metadata } = legacyAttributes(object);
    return { ...common, headers: Object.fromEntries(headers), metadata: Object.fromEntries(metadata), checksums: [] };
  }
  return {
    ...common,
    headers: Object.fromEntries(object.early.headers),
    metadata: Object.fromEntries(object.early.metadata),
    checksums: object.late.checksums.map(({ algorithm, type, value }) => ({
      algorithm,
      type,
      value: value.toString('base64'),
    })),
  };
}

/** Whether the object's metadata name another tenant. */
export function isForeign(error: unknown): boolean {
  return error instanceof S3Error && error.cause instanceof ForeignObject;
}

/** Why an object could not be opened, in words; never a stored value. */
export function reasonOf(error: unknown): string {
  if (error instanceof S3Error && error.cause instanceof FormatError)
    return `${error.cause.code}: ${error.cause.message}`;
  if (error instanceof S3Error && error.cause instanceof MalformedSealedObject)
    return `altered: ${error.cause.message}`;
  if (isForeign(error)) return "another tenant's object";
  if (error instanceof S3Error) return failureText(error);
  return error instanceof Error ? error.message : 'unknown failure';
}
