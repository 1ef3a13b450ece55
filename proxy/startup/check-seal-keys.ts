/**
 * Checks the configured seal keys against the keyrings of the state. With a wrong one every client would get InvalidAccessKeyId
 * from a server that calls itself ready.
 */
import { mapBounded } from '../concurrency/map-bounded.ts';
import type { SealKeys } from '../keyring/access-keys/seal-keys.ts';
import {
  KEYRING_NAMES,
  KeyringTampered,
  SealKeyMissing,
  tenantOfName,
  verifyKeyring,
} from '../keyring/state/records.ts';
import type { StateStore } from '../keyring/state/state.ts';
import { PROBE_TIMEOUT_MS, START_KEYRINGS_AT_ONCE, START_KEYRINGS_READ } from '../running-limits.ts';
import type { Storage } from '../runtime.ts';
import { type Finding, fault, ok, type Tell, warning } from './finding.ts';
import { findingOf } from './store-finding.ts';

/** The finding about one keyring: it verifies, or it needs a certain seal key, or neither. */
type Verdict = { readonly kind: 'ok' } | { readonly kind: 'missing' | 'tampered'; readonly kid: string };

const SUBJECT = 'seal keys';

/** False after a fault: no keyring opens with any of the configured seal keys. */
export async function checkSealKeys(storage: Storage, sealKeys: SealKeys, tell: Tell): Promise<boolean> {
  try {
    const { verdicts, isAll } = await readKeyrings(storage.state, sealKeys);
    const finding = judge(verdicts, { isAll, sealKeys });
    tell(finding);
    return finding.level !== 'fault';
  } catch (error) {
    tell(await findingOf(error, { subject: SUBJECT, store: storage.backend.description }));
    return false;
  }
}

/** The first ones only: tenant ids are random, and a start must not read a hundred thousand. */
async function readKeyrings(
  state: StateStore,
  sealKeys: SealKeys,
): Promise<{ readonly verdicts: readonly Verdict[]; readonly isAll: boolean }> {
  const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  const names: string[] = [];
  let isAll = true;
  for await (const name of state.list(KEYRING_NAMES, signal)) {
    if (tenantOfName(name) === undefined) continue;
    if (names.length === START_KEYRINGS_READ) {
      isAll = false;
      break;
    }
    names.push(name);
  }
  const verdicts = await mapBounded(names, START_KEYRINGS_AT_ONCE, async (name) => {
    const record = await state.get(name, signal);
    return record === undefined ? [] : [verdictOf(record.body, tenantOfName(name) ?? '', sealKeys)];
  });
  return { verdicts: verdicts.flat(), isAll };
}

function verdictOf(body: Buffer, tenant: string, sealKeys: SealKeys): Verdict {
  try {
    verifyKeyring(body, { tenant, sealKeys });
    return { kind: 'ok' };
  } catch (error) {
    if (error instanceof SealKeyMissing) return { kind: 'missing', kid: error.kid };
    if (error instanceof KeyringTampered) return { kind: 'tampered', kid: error.kid ?? '' };
    throw error;
  }
}

function judge(verdicts: readonly Verdict[], o: { readonly isAll: boolean; readonly sealKeys: SealKeys }): Finding {
  const good = verdicts.filter(({ kind }) => kind === 'ok').length;
  const all = o.isAll ? `${verdicts.length} keyrings` : `the first ${verdicts.length} keyrings`;
  if (good === verdicts.length) {
    return ok(SUBJECT, verdicts.length === 0 ? 'there are no keyrings yet' : `${all} verify`);
  }
  const text = `${good} of ${all} verify; ${complaints(verdicts).join('; ')}`;
  const configured = o.sealKeys.all.map(({ kid }) => kid).join(', ');
  const todo = `Configured is: ${configured}. Add the missing seal key behind the first one`;
  return good === 0 ? fault(SUBJECT, text, todo) : warning(SUBJECT, text, todo);
}

/** `3 are signed under seal key 'x', which is not configured`. */
function complaints(verdicts: readonly Verdict[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const verdict of verdicts) {
    if (verdict.kind === 'ok') continue;
    const words =
      verdict.kind === 'missing'
        ? `signed under seal key '${verdict.kid}', which is not configured`
        : verdict.kid === ''
          ? 'no keyrings at all, or damaged'
          : `signed under another secret than the configured seal key '${verdict.kid}' has, or tampered with`;
    counts.set(words, (counts.get(words) ?? 0) + 1);
  }
  return [...counts].map(([words, count]) => `${count} ${count === 1 ? 'is' : 'are'} ${words}`);
}
