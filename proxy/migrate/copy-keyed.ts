/**
 * Objects of one bucket in another bucket of the same store, with a tenant's keys: sealed objects are re-wrapped for their new place and
 * move inside the store, plain ones are sealed on the way.
 */

import type { StoreContext } from '../object/context.ts';
import { copyLegacy } from '../object/copy-legacy.ts';
import { inspectObject } from '../object/inspect-object.ts';
import { CONDITION_KIND, chooseMove, moveStored } from '../object/move-stored.ts';
import { reseal } from '../object/reseal.ts';
import type { SealedObject } from '../object/stored-object.ts';
import { isAtomic, type WriteKind } from '../object/write-conditions.ts';
import { ObjectAcls } from '../rotation/kept-headers.ts';
import { readSettings } from './kept-settings.ts';
import type { Copier } from './replay.ts';

export interface KeyedCopyOptions {
  readonly context: StoreContext;
  readonly from: string;
  readonly to: string;
  readonly versions: boolean;
}

export function keyedCopier(o: KeyedCopyOptions): Copier {
  const { context } = o;
  const acls = new ObjectAcls();
  return {
    from: o.from,
    to: o.to,
    target: context,
    versions: o.versions,
    async isCopy(from, to) {
      const [one, other] = [await inspectObject(context, from), await inspectObject(context, to)];
      // A plain object of parts becomes a sealed one without parts, with another ETag.
      const isOfParts = one.kind === 'legacy' && one.etag.includes('-');
      return one.size === other.size && (isOfParts || one.etag === other.etag);
    },
    async copy(from, to) {
      const source = await inspectObject(context, from);
      const { storage, acl, tags } = await readSettings(context, from, source.facts, acls);
      const headers = { ...storage, ...acl };
      if (source.kind === 'sealed') {
        await copySealed(o, source, { to, headers, tags });
        return source.size;
      }
      const directives = {
        attributes: undefined,
        tagging: tags['x-amz-tagging'] ?? '',
        storage: headers,
        conditions: undefined,
        checksum: undefined,
      };
      const request = { source: from, sourceContext: context, sourceConditions: undefined, target: to, directives };
      await copyLegacy(context, source, request, async (kind) => isNew(o, kind));
      return source.size;
    },
  };
}

/** Where no versions are kept, nothing that appears meanwhile is written over. */
function isNew({ context, versions }: KeyedCopyOptions, kind: WriteKind): Record<string, string> {
  return versions || !isAtomic(context, kind, { ifNoneMatch: '*' }) ? {} : { 'if-none-match': '*' };
}

async function copySealed(
  copy: KeyedCopyOptions,
  source: SealedObject,
  o: { to: { bucket: string; key: string }; headers: Record<string, string>; tags: Readonly<Record<string, string>> },
): Promise<void> {
  const { context } = copy;
  const { headers, metadata } = source.early;
  const resealed = await reseal(context, source, o.to, { headers, metadata, late: source.late });
  const move = chooseMove(context, { source, resealed, conditions: undefined });
  const named = move === 'copy' ? o.headers : { ...o.headers, ...o.tags };
  const conditional = { ...named, ...isNew(copy, CONDITION_KIND[move]) };
  const request = { source, sourceContext: context, target: o.to, resealed, headers: conditional };
  await moveStored(context, move, request);
}
