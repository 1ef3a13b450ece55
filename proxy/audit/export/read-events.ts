/** Events out of the log, one segment after the other: what is held at once does not grow with the log. */
import type { StateStore } from '../../keyring/state/state.ts';
import { minuteOf, minuteStart, parseSegmentName, SEGMENT_NAMES } from '../format/segment.ts';
import type { SegmentReader } from '../segment-reader.ts';
import type { CloudTrailRecord } from './cloudtrail-record.ts';

export interface EventFilter {
  readonly since?: Date | undefined;
  /** Exclusive. */
  readonly until?: Date | undefined;
  readonly tenant?: string | undefined;
}

/** By which a segment's minute may lie behind its events: a store that takes no writes holds segments up. */
const LATE_MS = 600_000;

/** @throws S3Error ServiceUnavailable */
export async function* readEvents(
  o: {
    readonly store: StateStore;
    readonly reader: SegmentReader;
    readonly onUnreadable: (name: string) => void;
  } & EventFilter,
  signal: AbortSignal,
): AsyncGenerator<CloudTrailRecord> {
  for await (const name of segmentsOf(o, signal)) {
    const lines = await o.reader.lines(name, signal);
    if (lines === undefined) {
      o.onUnreadable(name);
      continue;
    }
    for (const line of lines) {
      const record = JSON.parse(line) as CloudTrailRecord;
      if (isWanted(record, o)) yield record;
    }
  }
}

async function* segmentsOf(
  o: { readonly store: StateStore } & EventFilter,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const after = o.since === undefined ? {} : { after: SEGMENT_NAMES + minuteOf(o.since) };
  for await (const name of o.store.list(SEGMENT_NAMES, signal, after)) {
    const parsed = parseSegmentName(name);
    if (parsed === undefined) continue;
    if (o.until !== undefined && minuteStart(parsed.minute) > o.until.getTime() + LATE_MS) return;
    yield name;
  }
}

function isWanted(record: CloudTrailRecord, { since, until, tenant }: EventFilter): boolean {
  const time = Date.parse(record.eventTime);
  if (since !== undefined && time < since.getTime()) return false;
  if (until !== undefined && time >= until.getTime()) return false;
  return tenant === undefined || record.sealgate.tenant === tenant;
}
