/** The newest events, and from there on those that come. */
import { setTimeout as delay } from 'node:timers/promises';
import { AUDIT_TAIL_MS } from '../../audit-limits.ts';
import type { StateStore } from '../../keyring/state/state.ts';
import { minuteOf, minuteStart, parseSegmentName, SEGMENT_NAMES } from '../format/segment.ts';
import type { SegmentReader } from '../segment-reader.ts';

export interface TailOptions {
  readonly store: StateStore;
  readonly reader: SegmentReader;
  readonly now: () => Date;
  /** How many of the newest. */
  readonly events: number;
  /** Goes on until the signal is aborted. */
  readonly follow: boolean;
  readonly tenant?: string | undefined;
}

const MINUTE_MS = 60_000;
/** How far back the newest events are looked for, step by step. */
const WINDOWS_MS = [10 * MINUTE_MS, 60 * MINUTE_MS, 24 * 60 * MINUTE_MS, Number.POSITIVE_INFINITY];
/** Minutes in which a segment may still appear that was not there a moment ago. */
const OPEN_MS = 10 * MINUTE_MS;

/** Lines of JSON. @throws S3Error ServiceUnavailable */
export async function* tailEvents(o: TailOptions, signal: AbortSignal): AsyncGenerator<string> {
  const seen = new Map<string, number>();
  yield* await newest(o, seen, signal);
  while (o.follow && !signal.aborted) {
    await delay(AUDIT_TAIL_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const from = o.now().getTime() - OPEN_MS;
    for (const [name, minute] of seen) if (minute < from - MINUTE_MS) seen.delete(name);
    for (const name of await namesSince(o.store, from, signal)) {
      if (seen.has(name)) continue;
      note(seen, name);
      yield* await linesOf(o, name, signal);
    }
  }
}

async function newest(o: TailOptions, seen: Map<string, number>, signal: AbortSignal): Promise<string[]> {
  for (const window of WINDOWS_MS) {
    const names = await namesSince(o.store, o.now().getTime() - window, signal);
    const found: string[] = [];
    for (const name of names.toReversed()) {
      if (found.length >= o.events) break;
      found.unshift(...(await linesOf(o, name, signal)));
    }
    if (found.length < o.events && window !== Number.POSITIVE_INFINITY) continue;
    for (const name of names) note(seen, name);
    return o.events === 0 ? [] : found.slice(-o.events);
  }
  return [];
}

function note(seen: Map<string, number>, name: string): void {
  seen.set(name, minuteStart(parseSegmentName(name)?.minute ?? ''));
}

async function namesSince(store: StateStore, from: number, signal: AbortSignal): Promise<string[]> {
  const after = from > 0 ? { after: SEGMENT_NAMES + minuteOf(new Date(from)) } : {};
  const names: string[] = [];
  for await (const name of store.list(SEGMENT_NAMES, signal, after)) {
    if (parseSegmentName(name) !== undefined) names.push(name);
  }
  return names;
}

async function linesOf({ reader, tenant }: TailOptions, name: string, signal: AbortSignal): Promise<readonly string[]> {
  const lines = (await reader.lines(name, signal)) ?? [];
  if (tenant === undefined) return lines;
  return lines.filter((line) => (JSON.parse(line) as { sealgate: { tenant?: string } }).sealgate.tenant === tenant);
}
