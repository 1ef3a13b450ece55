/**
 * A range of an object that was inspected a moment ago, in one request. The earlier inspection tells which stored bytes to
 * fetch, and pins the request to that version. The answer carries metadata of its own, which are opened anew; they alone decide
 * what the client is told and whether the client may have the range. Where the answer leads to other stored bytes than the
 * earlier inspection, the answer is dropped and the object is inspected as usual.
 */
import { discard } from '../backend/read-body.ts';
import { S3Error } from '../errors.ts';
import type { StoreContext } from './context.ts';
import { factsOf } from './object-request.ts';
import type { ByteRange } from './range.ts';
import { fetchPlan, openPlan, type Plaintext, partsOf } from './read-object.ts';
import { planRead, type ReadPlan } from './read-plan.ts';
import { type ObjectAddress, type SealedObject, VersionChanged } from './stored-object.ts';
import { understand } from './understand.ts';

/** Chooses the range, from the object alone. @throws S3Error when the range is not to be had */
export type Select<T> = (object: SealedObject) => Promise<T & { readonly range: ByteRange }>;

export interface KnownRead<T> {
  readonly object: SealedObject;
  readonly selected: T;
  readonly plaintext: Plaintext;
}

/** `undefined` when nothing is known, or no longer true. @throws S3Error, BackendUnavailable for this very request */
export async function readKnown<T>(
  context: StoreContext,
  address: ObjectAddress,
  select: Select<T>,
): Promise<KnownRead<T> | undefined> {
  const guess = await guessed(context, address, select);
  if (guess === undefined) return undefined;
  try {
    const response = await fetchPlan(context, guess.object, guess.plan);
    try {
      const object = await understand(context, address, factsOf(response.headers));
      const found = object.kind === 'sealed' ? await planned(context, object, select) : undefined;
      if (found !== undefined && isSameStretch(found.plan, guess.plan)) {
        const plaintext = await openPlan(context, found.object, found.plan, response);
        return { object: found.object, selected: found.selected, plaintext };
      }
    } catch (error) {
      discard(response);
      throw error;
    }
    discard(response);
  } catch (error) {
    if (!(error instanceof VersionChanged)) throw error;
  }
  context.store.recent.forget(context.tenant.id, address);
  return undefined;
}

/** An earlier inspection never refuses a client: a refusal here means that the object is inspected anew. */
async function guessed<T>(context: StoreContext, address: ObjectAddress, select: Select<T>) {
  const facts = context.store.recent.get(context.tenant.id, address);
  if (facts === undefined) return undefined;
  try {
    const object = await understand(context, address, facts);
    return object.kind === 'sealed' ? await planned(context, object, select) : undefined;
  } catch (error) {
    if (error instanceof S3Error || error instanceof VersionChanged) return undefined;
    throw error;
  }
}

async function planned<T>(context: StoreContext, object: SealedObject, select: Select<T>) {
  const selected = await select(object);
  return { object, selected, plan: planRead(await partsOf(context, object), selected.range) };
}

function isSameStretch(plan: ReadPlan, guess: ReadPlan): boolean {
  return plan.sealedStart === guess.sealedStart && plan.sealedEnd === guess.sealedEnd;
}
