/** Another seal key signs the checkpoints of the audit: the one before says so, in a batch of its own. */
import { createLogger } from '../observe/log.ts';
import { type AuditDeps, auditStore } from './open-audit.ts';
import { SegmentReader } from './segment-reader.ts';
import { Sequencer } from './sequencer.ts';
import { Signers } from './signers.ts';

/** Nothing is done where there is no log yet, or the active seal key signs already. @throws S3Error ServiceUnavailable */
export async function handOver(deps: Omit<AuditDeps, 'log' | 'now'>, signal: AbortSignal): Promise<void> {
  const store = auditStore(deps);
  const reader = new SegmentReader({ store, keys: deps });
  const sequencer = new Sequencer({
    store,
    signers: new Signers(deps.sealKeys),
    isAuthentic: (name, within) => reader.isAuthentic(name, within),
    now: () => new Date(),
    log: createLogger({ level: 'error', destination: process.stderr }),
    report: async () => {},
    publish: () => undefined,
  });
  await sequencer.run(signal, { handOver: true });
}
