/** What the clients of a soak know that they stored, held outside of the store: by this an object that was lost is found. */
import { createHash } from 'node:crypto';
import {
  GetObjectCommand,
  GetObjectLegalHoldCommand,
  GetObjectRetentionCommand,
  GetObjectTaggingCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { mapBounded } from '../../../proxy/concurrency/map-bounded.ts';
import { BUCKET } from './store.ts';

/** In the place of a digest: there is no object. */
export const ABSENT = 'absent';

export interface Said {
  /** SHA-256 in hex, or ABSENT. */
  readonly body: string;
  readonly size: number;
  readonly etag: string | undefined;
  readonly colour: string;
  readonly tag: string | undefined;
  /** Milliseconds of the epoch. */
  readonly until: number | undefined;
  readonly hold: boolean;
}

export class Known {
  /** As the last writer was told. */
  said: Said;
  /** Versions that nobody touches. */
  readonly older: readonly { readonly versionId: string; readonly body: string }[];
  /** Bodies that a write under way may have stored already. */
  readonly maybe = new Set<string>();
  /** One writer has a key at a time; readers share it. */
  isBusy = false;

  constructor({ older, ...said }: Said & { older: Known['older'] }) {
    this.said = said;
    this.older = older;
  }
}

export function digestOf(pieces: Iterable<Uint8Array>): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

/** The digest of what a GET gives now, or ABSENT. @throws what the client throws, but for an object that is not there */
export async function readDigest(
  s3: S3Client,
  key: string,
  versionId?: string,
): Promise<{ body: string; etag?: string | undefined; colour?: string | undefined; sealed: boolean }> {
  try {
    const about = { Bucket: BUCKET, Key: key, ...(versionId === undefined ? {} : { VersionId: versionId }) };
    const { Body, ETag, Metadata = {} } = await s3.send(new GetObjectCommand(about));
    const hash = createHash('sha256');
    for await (const piece of Body as AsyncIterable<Uint8Array>) hash.update(piece);
    const sealed = Object.keys(Metadata).some((name) => name.startsWith('enc-'));
    return { body: hash.digest('hex'), etag: ETag, colour: Metadata['colour'], sealed };
  } catch (error) {
    if ((error as Error).name === 'NoSuchKey') return { body: ABSENT, sealed: false };
    throw error;
  }
}

/** Compares everything with what a client of `s3` sees. @returns what differs, in words */
export async function differences(s3: S3Client, known: ReadonlyMap<string, Known>): Promise<string[]> {
  const found: string[] = [];
  await mapBounded([...known], 8, async ([key, entry]) => {
    const { said, older } = entry;
    const now = await readDigest(s3, key);
    const differs = (what: string, is: unknown, was: unknown) => {
      if (is !== was) found.push(`${key}: ${what} is ${is} and was ${was}`);
    };
    differs('body', now.body, said.body);
    differs('sealed', now.sealed, false);
    for (const { versionId, body } of older) {
      differs(`version ${versionId}`, (await readDigest(s3, key, versionId)).body, body);
    }
    if (said.body === ABSENT) return;
    differs('ETag', now.etag, said.etag);
    differs('metadata', now.colour, said.colour);
    const about = { Bucket: BUCKET, Key: key };
    const { TagSet = [] } = await s3.send(new GetObjectTaggingCommand(about));
    differs('tags', TagSet.map(({ Key, Value }) => `${Key}=${Value}`).join(), said.tag ? `tag=${said.tag}` : '');
    const retention = await orNone(s3.send(new GetObjectRetentionCommand(about)));
    differs('retention', retention?.Retention?.RetainUntilDate?.getTime(), said.until);
    const hold = await orNone(s3.send(new GetObjectLegalHoldCommand(about)));
    differs('legal hold', hold?.LegalHold?.Status === 'ON', said.hold);
  });
  return found.toSorted();
}

/** Stores answer in two ways that an object has no lock. */
async function orNone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if ((error as Error).name === 'NoSuchObjectLockConfiguration') return undefined;
    throw error;
  }
}
