/** What a command changes goes into the audit as what a server does: its event is written before the change. */
import { openCommandAudit } from '../audit/open-audit.ts';
import type { Config } from '../config/config.ts';
import type { RecordEvent } from '../observe/events.ts';
import { type Logger, securityEventsTo } from '../observe/log.ts';
import type { Storage } from '../runtime.ts';

/** `work` with a sink for events that writes them into the audit, where that is on. */
export async function audited<T>(
  o: { storage: Storage; config: Config; log: Logger },
  work: (record: RecordEvent) => Promise<T>,
): Promise<T> {
  const { storage, config, log } = o;
  const toLog = securityEventsTo(log);
  const { region, sealKeys } = config;
  const audit = openCommandAudit({ ...storage, region, sealKeys, config: config.audit, log, now: () => new Date() });
  try {
    return await work((event) => {
      toLog(event);
      return audit.record(event);
    });
  } finally {
    await audit.close();
  }
}
