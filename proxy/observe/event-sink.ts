/**
 * Where the events of a server go. Refusals and changes are logged and counted. What was allowed is neither: it would be a second
 * line for each request. `audit` takes every event, and whoever caused one waits until the audit has taken it.
 */
import type { RecordEvent } from './events.ts';
import { type Logger, securityEventsTo } from './log.ts';
import type { Metrics } from './metrics.ts';

export function eventSink(o: { log: Logger; metrics: Metrics; audit?: RecordEvent | undefined }): RecordEvent {
  const { metrics, audit } = o;
  const toLog = securityEventsTo(o.log);
  return (event) => {
    if (event.kind !== 'access-allowed') {
      metrics.securityEvent(event.kind);
      toLog(event);
    }
    return audit?.(event);
  };
}
