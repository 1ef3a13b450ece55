/**
 * A look at an object while a conditional PUT of it runs. A store that holds the object meanwhile does not answer before the PUT has
 * ended. Nobody else changes the object there meanwhile, so the look is given up, and later ones are not tried.
 */
import { MIGRATE_LOOK_MS } from '../job-limits.ts';
import { VersionChanged } from '../object/stored-object.ts';
import type { MigrateContext } from './context.ts';
import type { ReplacedVersion } from './kept-settings.ts';

/** @throws VersionChanged when the object changed, or when it has to be begun anew without a look */
export async function lookWhileWritten(context: MigrateContext, replaced: ReplacedVersion): Promise<void> {
  const { learnt } = context;
  if (learnt.holdsWhileWritten) return;
  const limit = AbortSignal.timeout(MIGRATE_LOOK_MS);
  try {
    await replaced.requireUnchanged({ ...context, signal: AbortSignal.any([context.signal, limit]) });
  } catch (error) {
    if (!limit.aborted || context.signal.aborted) throw error;
    learnt.holdsWhileWritten = true;
    // What was read before the PUT began may be older than its first byte by now.
    throw new VersionChanged();
  }
}
