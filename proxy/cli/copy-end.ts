/** How the end of a copy is told: its exit code and its line. */
import type { JobEnd } from '../jobs/run-job.ts';
import { UNDONE } from '../migrate/outcome.ts';
import { bytesText, countsText, DAMAGED, INCOMPLETE } from './job-command.ts';

export function copyExitCode({ record: { counts }, outcome }: JobEnd): number {
  const count = (state: string) => counts[state] ?? 0;
  if (count('damaged') > 0) return DAMAGED;
  const undone = [...UNDONE].reduce((sum, state) => sum + count(state), 0);
  return outcome === 'done' && undone === 0 && count('copied') + count('already') > 0 ? 0 : INCOMPLETE;
}

export function copySummary(from: string, to: string, { record, outcome }: JobEnd): string {
  const stopped = outcome === 'done' ? '' : ' so far';
  return `${from} to ${to}${stopped}: ${countsText(record.counts) || 'no objects'}, ${bytesText(record.bytes)}`;
}
