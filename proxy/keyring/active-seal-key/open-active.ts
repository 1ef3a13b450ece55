/**
 * The start of a server: which seal key signs. The first server on a state writes down that its first seal key does, so that a seal
 * key which later stands first in a file signs nothing before `seal-key activate`.
 */
import { START_REPLICAS_READ } from '../../running-limits.ts';
import { timestamp } from '../state/fields.ts';
import { StateConflict } from '../state/state.ts';
import { ACTIVE_RECORD, signActiveRecord } from './active-record.ts';
import { type Recorded, type SeenRecord, useRecordedSealKey } from './recorded.ts';
import { listReplicas, type ReplicaDeps, removeReports } from './replicas.ts';

export interface StartedSealKey extends Recorded {
  readonly seen: SeenRecord;
  /** The record was made by this start. */
  readonly isNew: boolean;
}

/** @throws ActiveRecordRefused, S3Error ServiceUnavailable */
export async function openActiveSealKey(deps: ReplicaDeps, signal: AbortSignal): Promise<StartedSealKey> {
  const { state, sealKeys } = deps;
  const replicas = await listReplicas(deps, signal, { most: START_REPLICAS_READ });
  await removeReports(deps, replicas.old, signal);
  const found = await useRecordedSealKey({ state, sealKeys, replicas }, signal);
  if (found.seen !== undefined) return { ...found, seen: found.seen, isNew: false };
  const generation = 1;
  const body = signActiveRecord(
    { generation, updated: timestamp(deps.now()) },
    { sealKey: sealKeys.active, before: undefined },
  );
  try {
    await state.put(ACTIVE_RECORD, body, { ifAbsent: true }, signal);
  } catch (error) {
    if (!(error instanceof StateConflict)) throw error;
    // Another server was quicker, or the request was sent twice.
    const made = await useRecordedSealKey({ state, sealKeys }, signal);
    if (made.seen === undefined) throw error;
    return { ...made, seen: made.seen, isNew: false };
  }
  return { ...found, seen: { generation, kid: found.kid, body }, isNew: true };
}
