/** Jobs of a tenant that is no more: their reports name its objects. */
import type { StateStore } from '../keyring/state/state.ts';
import { JOBS_PREFIX, jobName, tenantNamedIn } from './job-record.ts';

/** @throws S3Error ServiceUnavailable */
export async function forgetJobs(state: StateStore, tenant: string, signal: AbortSignal): Promise<void> {
  const ids = new Set<string>();
  for await (const name of state.list(JOBS_PREFIX, signal)) {
    const [id = '', rest] = name.slice(JOBS_PREFIX.length).split(/\.json$|\//);
    if (rest !== undefined && name === jobName(id)) ids.add(id);
  }
  for (const id of ids) {
    const stored = await state.get(jobName(id), signal);
    if (stored === undefined || tenantNamedIn(stored.body) !== tenant) continue;
    for await (const piece of state.list(`${JOBS_PREFIX}${id}/`, signal)) await state.delete(piece, signal);
    await state.delete(jobName(id), signal);
  }
}
