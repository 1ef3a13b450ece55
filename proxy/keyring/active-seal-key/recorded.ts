/**
 * Which seal key signs when a process starts: the one of the record in the state. Without a record it is the first configured one.
 * Servers that run know when the record is older than it was, or is gone: their reports then say which seal key signs.
 */
import { SEAL_KEY_TIMEOUT_MS } from '../../running-limits.ts';
import type { SealKeys } from '../access-keys/seal-keys.ts';
import type { StateStore } from '../state/state.ts';
import { ACTIVE_RECORD, ActiveRecordRefused, notConfigured, openActiveRecord } from './active-record.ts';
import type { Replicas } from './replicas.ts';

/** The record that a process follows. */
export interface SeenRecord {
  readonly generation: number;
  /** Of the active seal key. */
  readonly kid: string;
  /** Absent where another server told of the record, and it has not been read. */
  readonly body: Buffer | undefined;
}

export interface Recorded {
  /** Of the seal key that signs. */
  readonly kid: string;
  /** Absent where there is no record. */
  readonly seen: SeenRecord | undefined;
  /** The record is older than one that a running server follows, or is gone though a server follows one. */
  readonly rolledBack: string | undefined;
}

/**
 * Makes the recorded seal key the active one of `sealKeys`. `replicas`: the servers that run; a command does without.
 * @throws ActiveRecordRefused when it is not at hand, or the record does not verify; S3Error ServiceUnavailable
 */
export async function useRecordedSealKey(
  o: { readonly state: StateStore; readonly sealKeys: SealKeys; readonly replicas?: Replicas },
  signal: AbortSignal,
): Promise<Recorded> {
  const { sealKeys } = o;
  const stored = await o.state.get(ACTIVE_RECORD, signal);
  const record = stored && openActiveRecord(stored.body, sealKeys);
  const generation = record?.generation ?? 0;
  const [ahead] = (o.replicas?.live ?? [])
    .filter((report) => report.generation > generation)
    .sort((a, b) => b.generation - a.generation);
  const kid = ahead?.active ?? record?.kid ?? sealKeys.active.kid;
  if (!sealKeys.activate(kid)) throw notConfigured(kid);
  if (ahead !== undefined) {
    const seen = { generation: ahead.generation, kid, body: undefined };
    return { kid, seen, rolledBack: rolledBack({ from: ahead.generation, to: generation }) };
  }
  return { kid, seen: stored && { generation, kid, body: stored.body }, rolledBack: undefined };
}

/** For a command: the state bucket may not be there yet. @throws ActiveRecordRefused, S3Error ServiceUnavailable */
export async function recordedForCommand(o: {
  readonly state: StateStore;
  readonly sealKeys: SealKeys;
}): Promise<void> {
  const signal = AbortSignal.timeout(SEAL_KEY_TIMEOUT_MS);
  try {
    await useRecordedSealKey(o, signal);
  } catch (error) {
    if (error instanceof ActiveRecordRefused) throw error;
    if (await o.state.hasBucket(signal)) throw error;
  }
}

/** Words for an operator. `to`: 0 when it is gone. */
export function rolledBack({ from, to }: { readonly from: number; readonly to: number }): string {
  if (to === 0) return `The record of the active seal key had generation ${from}, and is gone.`;
  return `The record of the active seal key has generation ${to}, and had ${from}.`;
}

/** What an operator does about a refused record. */
export function remedyOf(sealKeys: SealKeys): string {
  const configured = sealKeys.all.map(({ kid }) => kid).join(', ');
  return `Configured is: ${configured}. Add the active seal key; or, if it is lost or the record was tampered with, stop the servers, run sealgate seal-key activate KID --replace-damaged, and start them`;
}
