/**
 * The event of a change is taken before the change is made: where events are kept, nobody changes anything unseen. A change that was
 * announced and then not made, or not known to be made, is followed by an event that says so.
 */
import { S3Error } from '../../errors.ts';
import type { RecordEvent, SecurityEvent } from '../../observe/events.ts';

/** @throws what `change` throws; S3Error ServiceUnavailable when the event is not taken: then nothing was changed */
export async function announced<T>(record: RecordEvent, event: SecurityEvent, change: () => Promise<T>): Promise<T> {
  let isTaken = false;
  try {
    await record(event);
    isTaken = true;
    return await change();
  } catch (error) {
    await noteFailure(record, event, isTaken ? codeOf(error) : 'its event was not taken');
    throw error;
  }
}

/** Says of a change that was announced why it was not made, or may not have been. Never rejects. */
export async function noteFailure(
  record: RecordEvent,
  { kind, tenant, accessKey }: SecurityEvent,
  reason: string,
): Promise<void> {
  const named = { ...(tenant !== undefined && { tenant }), ...(accessKey !== undefined && { accessKey }) };
  try {
    await record({
      kind: 'change-failed',
      detail: `The change announced as ${kind} was not made: ${reason}`,
      ...named,
    });
  } catch {
    // Whoever keeps events may refuse this one too. What failed is told all the same.
  }
}

function codeOf(error: unknown): string {
  if (error instanceof S3Error) return error.code;
  const { code, name } = error as { code?: unknown; name?: unknown };
  return String(code ?? name ?? 'unknown');
}
