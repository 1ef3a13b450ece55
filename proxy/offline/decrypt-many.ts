/**
 * A prefix or a whole bucket into a directory: a bounded number of objects at once, each on its own. One that fails is
 * reported and does not stop the others.
 */
import { dirname, join } from 'node:path';
import { listObjects } from '../backend/list-all.ts';
import { eachBounded } from '../concurrency/map-bounded.ts';
import { DECRYPT_AT_ONCE } from '../limits.ts';
import type { StoreContext } from '../object/context.ts';
import { retryWhenChanged } from '../object/retry-when-changed.ts';
import { isForeign, openObject, reasonOf, writeDescription, writeObject } from './decrypt-object.ts';
import { isRenamed, pathOfKey } from './file-names.ts';
import { FileExists, kindOf, placeBelow } from './write-aside.ts';

/** Behind the name of the file that it describes. No key's path ends so, since every `%` in a key is encoded. */
export const DESCRIPTION_SUFFIX = '%meta.json';

export interface DecryptManyOptions {
  readonly bucket: string;
  readonly prefix: string;
  /** An existing directory. */
  readonly directory: string;
  readonly replace: boolean;
  /** Leave out objects whose file is there already: a run that was interrupted goes on. */
  readonly skipExisting: boolean;
  /** Leave out objects that say they are another tenant's, instead of counting them as failures. */
  readonly skipForeign: boolean;
  /** Write a description beside each file. */
  readonly describe: boolean;
}

export type Outcome =
  | { readonly kind: 'opened' | 'legacy'; readonly key: string; readonly path: string; readonly renamed: boolean }
  | { readonly kind: 'skipped'; readonly key: string; readonly reason: 'exists' | 'foreign' }
  | { readonly kind: 'failed'; readonly key: string; readonly reason: string };

/** Reports as objects end, not in the order of their keys. @throws S3Error, BackendUnavailable when the listing fails */
export async function decryptMany(
  context: StoreContext,
  o: DecryptManyOptions,
  report: (outcome: Outcome) => void,
): Promise<void> {
  const { backend } = context.store;
  await eachBounded(listObjects({ backend, signal: context.signal }, o), DECRYPT_AT_ONCE, async ({ key }) => {
    report(await decryptOne(context, o, key));
  });
}

async function decryptOne(context: StoreContext, o: DecryptManyOptions, key: string): Promise<Outcome> {
  try {
    return await retryWhenChanged(() => attempt(context, o, key));
  } catch (error) {
    context.signal.throwIfAborted();
    // Keys below this one were written meanwhile, so that its name became a directory's: the next attempt takes another.
    if (error instanceof FileExists && (await kindOf(error.path)) === 'directory') return decryptOne(context, o, key);
    if (error instanceof FileExists && o.skipExisting) return { kind: 'skipped', key, reason: 'exists' };
    if (isForeign(error) && o.skipForeign) return { kind: 'skipped', key, reason: 'foreign' };
    return { kind: 'failed', key, reason: reasonOf(error) };
  }
}

async function attempt(context: StoreContext, o: DecryptManyOptions, key: string): Promise<Outcome> {
  const pieces = pathOfKey(key);
  const wanted = join(o.directory, ...pieces);
  if (!o.replace && (await isTaken(wanted))) throw new FileExists(wanted);
  const object = await openObject(context, { bucket: o.bucket, key });
  const { kind, size } = object.description;
  const done = { kind: kind === 'sealed' ? ('opened' as const) : kind, key };
  if (size === 0 && key.endsWith('/')) {
    // The mark that some programs leave for a folder. Its one tag is checked by reading it.
    for await (const _ of object.chunks);
    const path = await placeBelow(o.directory, [...pieces.slice(0, -1), '%']);
    return { ...done, path: dirname(path), renamed: isRenamed(key.slice(0, -1)) };
  }
  const path = await placeBelow(o.directory, pieces);
  await writeObject(path, object, o);
  if (o.describe) await writeDescription(path + DESCRIPTION_SUFFIX, object, { replace: true });
  return { ...done, path, renamed: path !== join(o.directory, key) };
}

async function isTaken(path: string): Promise<boolean> {
  const kind = await kindOf(path);
  return kind === 'file' || kind === 'link';
}
