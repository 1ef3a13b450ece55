/** What the migration of each object of a bucket needs. */
import type { Lane } from '../concurrency/fair-limit.ts';
import { S3Error } from '../errors.ts';
import type { StoreContext } from '../object/context.ts';
import type { BackendFacts } from '../object/stored-object.ts';
import type { WriteKind } from '../object/write-conditions.ts';
import { isAtomic } from '../object/write-conditions.ts';
import type { ObjectAcls } from '../rotation/kept-headers.ts';

/** To read an object, slowly enough. */
export interface ReadingContext extends StoreContext {
  /** Resolves when that many more bytes may be read. */
  readonly pace: (bytes: number) => Promise<void>;
}

export interface MigrateContext extends ReadingContext {
  readonly acls: ObjectAcls;
  /** Of objects that lie in a file for a moment. */
  readonly spooling: Lane;
  /** Nobody writes: the store need not compare anything in the moment of a write. */
  readonly noWriters: boolean;
  /** What was learnt of the store on the way. */
  readonly learnt: {
    refusesChecksums: boolean;
    /** Nobody reaches an object while a conditional PUT of it runs. */
    holdsWhileWritten: boolean;
  };
}

/** The condition that the replaced version is the one that was read. @throws S3Error NotImplemented where the store has none */
export function replacing(context: MigrateContext, kind: WriteKind, facts: BackendFacts): Record<string, string> {
  if (isAtomic(context, kind, { ifMatch: facts.etag })) return { 'if-match': facts.etag };
  if (context.noWriters) return {};
  throw new S3Error(
    'NotImplemented',
    `The store cannot decide If-Match on a ${kind} atomically. With --no-writers it is not asked to: nobody else may write then.`,
  );
}

export async function* paced(
  chunks: AsyncIterable<Buffer>,
  { pace }: Pick<ReadingContext, 'pace'>,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    await pace(chunk.length);
    yield chunk;
  }
}
