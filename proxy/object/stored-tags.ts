/** An object's tags as the header that sets them, for copies that the backend does not make itself. */
import { parseAnswer } from '../backend/answer-xml.ts';
import { ask } from '../backend/ask.ts';
import { S3Error } from '../errors.ts';
import type { StoreAccess } from './context.ts';
import type { CopyDirectives } from './copy-directives.ts';
import type { Move } from './move-stored.ts';
import { versionQuery } from './object-request.ts';
import type { StoredObject } from './stored-object.ts';

/** `x-amz-tagging`, or nothing when there are no tags or the backend has none. @throws S3Error */
export async function tagsOf(
  context: StoreAccess,
  source: Pick<StoredObject, 'address' | 'facts'>,
): Promise<Record<string, string>> {
  const { address, facts } = source;
  const version = versionQuery({ ...address, versionId: facts.versionId ?? address.versionId });
  try {
    const { document } = await ask(context, 'GetObjectTagging', {
      method: 'GET',
      bucket: address.bucket,
      key: address.key,
      query: [['tagging', ''], ...version],
      headers: context.accountHeaders,
    });
    const tags = parseAnswer(document, 'Tagging').child('TagSet')?.children('Tag') ?? [];
    if (tags.length === 0) return {};
    const pairs = tags.map((tag) =>
      [tag.value('Key') ?? '', tag.value('Value') ?? ''].map(encodeURIComponent).join('='),
    );
    return { 'x-amz-tagging': pairs.join('&') };
  } catch (error) {
    if (error instanceof S3Error && (error.code === 'NoSuchTagSet' || error.code === 'NotImplemented')) return {};
    throw error;
  }
}

/** A copy inside the backend takes the tags along; whatever else stores the object has to name them. */
export async function taggingHeaders(
  context: StoreAccess,
  source: StoredObject,
  directives: CopyDirectives,
  move: Move,
): Promise<Record<string, string>> {
  const { tagging } = directives;
  if (tagging === undefined) return move === 'copy' ? {} : tagsOf(context, source);
  const named = tagging === '' ? {} : { 'x-amz-tagging': tagging };
  return move === 'copy' ? { ...named, 'x-amz-tagging-directive': 'REPLACE' } : named;
}
