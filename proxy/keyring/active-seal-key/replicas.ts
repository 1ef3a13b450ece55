/** The servers that run, by their reports in the state, and the removal of what killed servers left. */
import { mapBounded } from '../../concurrency/map-bounded.ts';
import { MAX_REPLICAS, REPLICA_KEPT_MS, REPLICA_READS_AT_ONCE } from '../../running-limits.ts';
import type { SealKeys } from '../access-keys/seal-keys.ts';
import type { StateStore } from '../state/state.ts';
import {
  isBootId,
  type OpenedReport,
  openReport,
  REPLICA_NAMES,
  replicaName,
  type UnreadReport,
} from './replica-record.ts';

export interface ReplicaDeps {
  readonly state: StateStore;
  readonly sealKeys: SealKeys;
  readonly now: () => Date;
}

export interface Replicas {
  /** Whose report counts now. */
  readonly live: readonly OpenedReport[];
  /** Reports that cannot be read here, written not long ago. */
  readonly unread: readonly UnreadReport[];
  /** Boot ids of servers that ended long ago without removing their report. */
  readonly old: readonly string[];
  /** Whether all reports were read. */
  readonly isAll: boolean;
}

/** The first `most` of them: boot ids are random, so that these are a sample. @throws S3Error ServiceUnavailable */
export async function listReplicas(
  deps: ReplicaDeps,
  signal: AbortSignal,
  { most = MAX_REPLICAS }: { readonly most?: number } = {},
): Promise<Replicas> {
  const boots: string[] = [];
  let isAll = true;
  for await (const name of deps.state.list(REPLICA_NAMES, signal)) {
    const boot = name.slice(REPLICA_NAMES.length);
    if (!isBootId(boot)) continue;
    if (boots.length === most) {
      isAll = false;
      break;
    }
    boots.push(boot);
  }
  const now = deps.now().getTime();
  const live: OpenedReport[] = [];
  const unread: UnreadReport[] = [];
  const old: string[] = [];
  await mapBounded(boots, REPLICA_READS_AT_ONCE, async (boot) => {
    const record = await deps.state.get(replicaName(boot), signal);
    if (record === undefined) return;
    const report = openReport(record.body, boot, deps.sealKeys);
    if ('signs' in report) {
      const expires = Date.parse(report.expires);
      if (expires > now) live.push(report);
      else if (expires + REPLICA_KEPT_MS < now) old.push(boot);
    } else if (now - (record.modified?.getTime() ?? now) < REPLICA_KEPT_MS) unread.push(report);
    else old.push(boot);
  });
  return { live: live.sort((a, b) => (a.started < b.started ? -1 : 1)), unread, old, isAll };
}

/** Never rejects: the next server that starts tries again. */
export async function removeReports(
  { state }: Pick<ReplicaDeps, 'state'>,
  boots: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  await mapBounded(boots, REPLICA_READS_AT_ONCE, (boot) => state.delete(replicaName(boot), signal)).catch(
    () => undefined,
  );
}

/** `host, boot 0123456789abcdef`. */
export function nameOf({ boot, host }: Pick<OpenedReport, 'boot' | 'host'>): string {
  return `${host} (boot ${boot})`;
}
