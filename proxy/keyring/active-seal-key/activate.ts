/**
 * Makes another seal key the one that signs, for all servers. Refused while a running server does not hold it: that server could not
 * verify what the others sign.
 */
import type { RecordEvent } from '../../observe/events.ts';
import { MAX_REPLICAS } from '../../running-limits.ts';
import type { SealKey } from '../access-keys/seal-keys.ts';
import { announced } from '../admin/announce.ts';
import { timestamp } from '../state/fields.ts';
import { StateConflict, type StateRecord } from '../state/state.ts';
import {
  ACTIVE_RECORD,
  ActiveRecordRefused,
  notConfigured,
  type OpenedActiveRecord,
  openActiveRecord,
  signActiveRecord,
} from './active-record.ts';
import type { OpenedReport, UnreadReport } from './replica-record.ts';
import { listReplicas, nameOf, type ReplicaDeps } from './replicas.ts';

export interface Activation {
  readonly kid: string;
  /** Of the seal key that signed before; null when that is not known. */
  readonly before: string | null;
  readonly generation: number;
  /** False when it was the active one already. */
  readonly changed: boolean;
  readonly replicas: readonly OpenedReport[];
  /** Servers that started meanwhile, and do not hold the seal key. */
  readonly behind: readonly OpenedReport[];
}

/**
 * @param o.replaceDamaged write over whatever is there, without the signature of the seal key before: a record that does not
 *   verify, an older one that was put back, one that names a seal key that is lost. Servers that run do not follow such a record.
 * @throws ActiveRecordRefused, S3Error ServiceUnavailable
 */
export async function activateSealKey(
  deps: ReplicaDeps & { readonly record: RecordEvent },
  o: { readonly kid: string; readonly replaceDamaged: boolean },
  signal: AbortSignal,
): Promise<Activation> {
  const { sealKeys, state } = deps;
  const sealKey = sealKeys.withId(o.kid);
  if (sealKey === undefined) {
    throw new ActiveRecordRefused(`seal key '${o.kid}' is not configured here: add its line to the seal keys first`);
  }
  const { live, unread, isAll } = await listReplicas(deps, signal);
  if (!isAll) throw new ActiveRecordRefused(`there are more than ${MAX_REPLICAS} reports of servers`);
  const stored = await state.get(ACTIVE_RECORD, signal);
  const current = o.replaceDamaged ? openedIfSound(deps, stored) : provable(deps, stored, live);
  if (!o.replaceDamaged && current?.kid === o.kid) {
    sealKeys.activate(o.kid);
    return {
      kid: o.kid,
      before: current.before,
      generation: current.generation,
      changed: false,
      ...standing(o.kid, live),
    };
  }
  requireHeld(o.kid, live, unread);
  const newest = Math.max(current?.generation ?? 0, ...live.map(({ generation }) => generation));
  const seconds = Math.floor(deps.now().getTime() / 1000);
  const generation = o.replaceDamaged ? Math.max(newest + 1, seconds) : newest + 1;
  const before = current === undefined || current.kid === o.kid ? undefined : sealKeys.withId(current.kid);
  const body = signActiveRecord({ generation, updated: timestamp(deps.now()) }, { sealKey, before });
  const detail = `Seal key '${o.kid}' signs from now on, before it '${before?.kid ?? 'unknown'}'`;
  await announced(deps.record, { kind: 'seal-key-activated', detail }, () => write(deps, { body, stored }, signal));
  sealKeys.activate(o.kid);
  // A server may have started between the two.
  const after = await listReplicas(deps, signal);
  return { kid: o.kid, before: before?.kid ?? null, generation, changed: true, ...standing(o.kid, after.live) };
}

function standing(kid: string, replicas: readonly OpenedReport[]): Pick<Activation, 'replicas' | 'behind'> {
  return { replicas, behind: replicas.filter(({ held }) => !held.includes(kid)) };
}

/** The record that the new one follows on, signed by a seal key that is at hand. @throws ActiveRecordRefused */
function provable(
  { sealKeys }: ReplicaDeps,
  stored: StateRecord | undefined,
  live: readonly OpenedReport[],
): OpenedActiveRecord {
  const newest = Math.max(0, ...live.map(({ generation }) => generation));
  if (stored === undefined) {
    if (newest > 0) throw new ActiveRecordRefused(BEHIND);
    throw new ActiveRecordRefused(
      'no server of this version has started on this state yet: start the servers first, and the first seal key signs',
    );
  }
  const record = openActiveRecord(stored.body, sealKeys);
  if (record.generation < newest) throw new ActiveRecordRefused(BEHIND);
  if (record.sealKey === undefined) throw notConfigured(record.kid);
  return record;
}

const BEHIND =
  'the record of the active seal key is gone, or an older one was put back: servers that run put the right one back within a minute, run this again then';

function openedIfSound({ sealKeys }: ReplicaDeps, stored: StateRecord | undefined): OpenedActiveRecord | undefined {
  if (stored === undefined) return undefined;
  try {
    return openActiveRecord(stored.body, sealKeys);
  } catch (error) {
    if (error instanceof ActiveRecordRefused) return undefined;
    throw error;
  }
}

/** @throws ActiveRecordRefused that names each server that does not hold the seal key */
function requireHeld(kid: SealKey['kid'], live: readonly OpenedReport[], unread: readonly UnreadReport[]): void {
  const lacking = live.filter(({ held }) => !held.includes(kid));
  const foreign = unread.filter((report) => report.kid !== undefined);
  if (lacking.length + foreign.length === 0) return;
  const names = [
    ...lacking.map((report) =>
      report.differing.includes(kid)
        ? `${nameOf(report)} has another secret under that id`
        : `${nameOf(report)} has not reported it`,
    ),
    ...foreign.map(({ boot, kid: own }) => `boot ${boot} signs with '${own}', which is not configured here`),
  ];
  throw new ActiveRecordRefused(
    `seal key '${kid}' is not on every server: ${names.join('; ')}. A server reports within 15 s of a change of its file. Give each the seal key, or stop it: the report of a server that was killed counts for up to 15 minutes`,
  );
}

/** @throws ActiveRecordRefused when it was changed at the same time */
async function write(
  { state }: ReplicaDeps,
  { body, stored }: { readonly body: Buffer; readonly stored: StateRecord | undefined },
  signal: AbortSignal,
): Promise<void> {
  try {
    await state.put(ACTIVE_RECORD, body, stored === undefined ? { ifAbsent: true } : { ifMatch: stored.etag }, signal);
  } catch (error) {
    if (!(error instanceof StateConflict)) throw error;
    // A request that was sent twice conflicts with itself.
    const after = await state.get(ACTIVE_RECORD, signal);
    if (after?.body.equals(body) !== true) {
      throw new ActiveRecordRefused('the record of the active seal key was changed at the same time: run this again');
    }
  }
}
