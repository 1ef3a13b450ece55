/**
 * Where the events of a server go. Refusals and changes are logged and counted. What was allowed is neither: it would be a second
 * line for each request. `audit` takes every event, and whoever caused one waits until the audit has taken it.
 */
import type { RecordEvent, SecurityEvent } from './events.ts';
import { type Logger, securityEventsTo } from './log.ts';
import type { Metrics } from './metrics.ts';
import { clientInScope } from './request-scope.ts';

export function eventSink(o: { log: Logger; metrics: Metrics; audit?: RecordEvent | undefined }): RecordEvent {
  const { metrics, audit } = o;
  const toLog = securityEventsTo(o.log);
  return (event) => {
    const isAllowed = event.kind === 'access-allowed';
    if (isAllowed && audit === undefined) return;
    const located = withClient(event);
    if (!isAllowed) {
      metrics.securityEvent(event.kind);
      toLog(located);
    }
    return audit?.(located);
  };
}

/** Whoever records an event of a request need not know where the request comes from. */
function withClient<E extends SecurityEvent>(event: E): E {
  const client = clientInScope();
  return client === undefined ? event : { sourceIPAddress: client, ...event };
}
