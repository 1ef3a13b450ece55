/** Runs all checks in their order, each one only when those before it left something to check. `check` and `serve` share it. */
import type { Capabilities } from '../backend/capabilities.ts';
import type { Config } from '../config/config.ts';
import type { Storage } from '../runtime.ts';
import { checkActiveSealKey } from './check-active-seal-key.ts';
import { checkDeletion } from './check-deletion.ts';
import { checkEtags } from './check-etags.ts';
import { checkSealKeys } from './check-seal-keys.ts';
import { checkState } from './check-state.ts';
import { checkCapabilities, checkStore } from './check-store.ts';
import type { Tell } from './finding.ts';

/**
 * Looks at the store and the state in it. `makesBucket`: the state bucket is made if it is missing; else what would be looked for
 * in it is left out. Undefined after a fault, and where there is no bucket to try things out in.
 */
export async function checkStorage(
  storage: Storage,
  o: { readonly config: Config; readonly makesBucket: boolean; readonly now: () => Date },
  tell: Tell,
): Promise<Capabilities | undefined> {
  const hasBucket = await checkStore(storage, o, tell);
  if (hasBucket !== true) return undefined;
  if (!(await checkState(storage, o.config.state.prefix, tell))) return undefined;
  if (!(await checkDeletion(storage, tell))) return undefined;
  const capabilities = await checkCapabilities(storage, o.config, tell);
  const { sealKeys } = o.config;
  const opens =
    (await checkSealKeys(storage, sealKeys, tell)) &&
    (await checkActiveSealKey(storage, { sealKeys, now: o.now }, tell));
  if (opens) await checkEtags(storage, o.config, tell);
  return opens ? capabilities : undefined;
}
