/** Says which seal key signs, by the record in the state, and what is in the way of following the record. */
import type { SealKeys } from '../keyring/access-keys/seal-keys.ts';
import { ActiveRecordRefused } from '../keyring/active-seal-key/active-record.ts';
import { type Recorded, remedyOf, useRecordedSealKey } from '../keyring/active-seal-key/recorded.ts';
import { listReplicas } from '../keyring/active-seal-key/replicas.ts';
import { PROBE_TIMEOUT_MS, START_REPLICAS_READ } from '../running-limits.ts';
import type { Storage } from '../runtime.ts';
import { type Finding, fault, ok, type Tell, warning } from './finding.ts';
import { findingOf } from './store-finding.ts';

const SUBJECT = 'active seal key';

/** False after a fault. The seal key of the record is the active one of `sealKeys` afterwards. */
export async function checkActiveSealKey(
  { state, backend }: Storage,
  { sealKeys, now }: { readonly sealKeys: SealKeys; readonly now: () => Date },
  tell: Tell,
): Promise<boolean> {
  const first = sealKeys.active.kid;
  const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  try {
    const replicas = await listReplicas({ state, sealKeys, now }, signal, { most: START_REPLICAS_READ });
    const recorded = await useRecordedSealKey({ state, sealKeys, replicas }, signal);
    tell(judge(recorded, first));
    return true;
  } catch (error) {
    if (error instanceof ActiveRecordRefused) tell(fault(SUBJECT, error.message, remedyOf(sealKeys)));
    else tell(await findingOf(error, { subject: SUBJECT, store: backend.description }));
    return false;
  }
}

function judge({ kid, seen, rolledBack }: Recorded, first: string): Finding {
  if (rolledBack !== undefined) {
    const todo = 'A server that runs puts the right one back within a minute. Find who writes to the state bucket';
    return warning(SUBJECT, `${rolledBack.replace(/\.$/, '')}: '${kid}' signs, as servers say that run`, todo);
  }
  if (seen === undefined) return ok(SUBJECT, `none is recorded yet: '${first}', which stands first, signs`);
  if (kid === first) return ok(SUBJECT, `'${kid}' signs`);
  const todo = `When every server has '${first}', run sealgate seal-key activate ${first}. If '${first}' is the older one, put '${kid}' first`;
  return warning(SUBJECT, `'${first}' stands first, and '${kid}' signs`, todo);
}
