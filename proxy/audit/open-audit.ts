/** Puts the audit of a process together: of a server, of one of its workers, or of a command. */
import { hostname } from 'node:os';
import { AUDIT_CLOSE_MS, AUDIT_PRUNE_MS } from '../audit-limits.ts';
import type { Backend } from '../backend/backend.ts';
import type { AuditConfig } from '../config/audit-config.ts';
import type { SealKeys } from '../keyring/access-keys/seal-keys.ts';
import { StateStore } from '../keyring/state/state.ts';
import type { AuditStatus } from '../observe/audit-metrics.ts';
import type { SecurityEvent } from '../observe/events.ts';
import { type Logger, securityEventsTo } from '../observe/log.ts';
import { currentAuditKey } from './audit-keys.ts';
import { AuditLog } from './audit-log.ts';
import type { WriteBlock } from './block.ts';
import type { Actor } from './cloudtrail.ts';
import { Collector } from './collector.ts';
import type { Chain } from './format/batch.ts';
import { operatorName } from './operator-name.ts';
import { pruneLimit, pruneSegments } from './prune.ts';
import { SegmentReader } from './segment-reader.ts';
import { SegmentWriter } from './segment-writer.ts';
import { Sequencer } from './sequencer.ts';
import { Signers } from './signers.ts';
import { CheckpointWebhook } from './webhook.ts';
import { blocksToPrimary } from './worker-blocks.ts';

/** What the audit works on. */
export interface AuditDeps {
  readonly config: AuditConfig;
  readonly region: string;
  readonly backend: Backend;
  readonly state: StateStore;
  readonly sealKeys: SealKeys;
  readonly log: Logger;
  readonly now: () => Date;
}

/** The audit of a process that serves. */
export interface RunningAudit {
  readonly log: AuditLog;
  readonly status: () => Pick<AuditStatus, 'events' | 'refused' | 'unwrittenMs'> | AuditStatus;
  /** Writes what is left. Never rejects. */
  close(): Promise<void>;
}

/** The same of the process that writes; `close` writes the last batch too. */
export interface ServerAudit extends RunningAudit {
  /** For the blocks of workers. */
  readonly write: WriteBlock;
  readonly status: () => AuditStatus;
}

/** Where the log is: beside the state, or in a bucket of its own. */
export function auditStore({
  config,
  backend,
  state,
  region,
}: Pick<AuditDeps, 'config' | 'backend' | 'state' | 'region'>) {
  return config.store === undefined ? state : new StateStore({ backend, ...config.store, region });
}

/** Of a server: writer, sequencer and pruning. Undefined where the audit is off. @throws S3Error ServiceUnavailable */
export async function openServerAudit(deps: AuditDeps): Promise<ServerAudit | undefined> {
  const { config, log, now } = deps;
  if (config.mode === 'off') return undefined;
  const store = auditStore(deps);
  const signal = AbortSignal.timeout(AUDIT_CLOSE_MS);
  if (config.store !== undefined) await store.ensureBucket(signal);
  const reader = new SegmentReader({ store, keys: deps });
  const webhook = config.webhook && new CheckpointWebhook({ target: config.webhook, log, now });
  const sequencer = new Sequencer({
    store,
    signers: new Signers(deps.sealKeys),
    isAuthentic: (name, within) => reader.isAuthentic(name, within),
    now,
    log,
    report: (event) => report(event, { log, audit }),
    publish: (chain) => {
      publishTo(log, chain);
      webhook?.send(chain);
    },
  });
  const key = await currentAuditKey(deps, signal);
  const onWritten = (name: string) => sequencer.noteWritten(name);
  const writer = new SegmentWriter({ store, key, log, now, heartbeats: true, onWritten });
  const write: WriteBlock = (block) => writer.write(block);
  const audit = new AuditLog({ ...deps, collector: collector(deps, write), strict: isStrict(deps), actor: SERVER });
  sequencer.start();
  const pruning = setInterval(() => void prune(), AUDIT_PRUNE_MS).unref();
  const prune = async () => {
    const before = pruneLimit(now(), config.retentionDays);
    const beforeRemoval = async () => audit.record({ kind: 'audit-pruned', detail: `Segments before ${before}` });
    try {
      const within = AbortSignal.timeout(AUDIT_PRUNE_MS);
      const { removed, kept } = await pruneSegments(store, { before, sequencer, beforeRemoval }, within);
      if (removed + kept > 0) log.info({ before, removed, kept }, 'old segments of the audit were removed');
    } catch (err) {
      log.warn({ err }, 'old segments of the audit were not removed');
    }
  };
  return {
    log: audit,
    write,
    status: () => ({ ...audit.status, ...writer.status, ...sequencer.status }),
    async close() {
      clearInterval(pruning);
      try {
        await audit.close();
        await writer.close(AUDIT_CLOSE_MS);
      } catch (err) {
        log.error({ err }, 'the audit was not written to its end');
      }
      await sequencer.close(AbortSignal.timeout(AUDIT_CLOSE_MS));
      await webhook?.close();
    },
  };
}

/** Of a worker: its primary process writes. Undefined where the audit is off. `close` never rejects. */
export function openWorkerAudit(
  deps: Pick<AuditDeps, 'config' | 'region' | 'now' | 'log'> & { readonly workers: number },
): RunningAudit | undefined {
  if (deps.config.mode === 'off') return undefined;
  const collected = collector(deps, blocksToPrimary());
  const audit = new AuditLog({ ...deps, collector: collected, strict: isStrict(deps), actor: SERVER });
  const failed = (err: unknown) => deps.log.error({ err }, 'the audit was not written to its end');
  return { log: audit, status: () => audit.status, close: () => audit.close().catch(failed) };
}

/** Of a command: nothing is asked of the store before the first event. `close` never rejects. */
export function openCommandAudit(deps: AuditDeps): {
  record: (event: SecurityEvent) => Promise<void>;
  close(): Promise<void>;
} {
  if (deps.config.mode === 'off') return { record: async () => {}, close: async () => {} };
  let opened: Promise<{ audit: AuditLog; writer: SegmentWriter }> | undefined;
  const open = async () => {
    const store = auditStore(deps);
    const key = await currentAuditKey(deps, AbortSignal.timeout(AUDIT_CLOSE_MS));
    const writer = new SegmentWriter({ ...deps, store, key, heartbeats: false });
    const collected = collector(deps, (block) => writer.write({ ...block, urgent: true }));
    return { writer, audit: new AuditLog({ ...deps, collector: collected, strict: true, actor: COMMAND }) };
  };
  return {
    async record(event) {
      opened ??= open();
      await (await opened).audit.record(event);
    },
    async close() {
      try {
        const { audit, writer } = (await opened) ?? {};
        await audit?.close();
        await writer?.close(AUDIT_CLOSE_MS);
      } catch (err) {
        deps.log.error({ err }, 'the audit was not written to its end');
      }
    },
  };
}

function collector({ config, workers }: { config: AuditConfig; workers?: number }, write: WriteBlock): Collector {
  return new Collector({
    write,
    strict: config.mode === 'strict',
    ...(workers === undefined ? {} : { sharers: workers }),
  });
}

function isStrict({ config }: { config: AuditConfig }): boolean {
  return config.mode === 'strict';
}

const SERVER: Actor = { agent: 'sealgate serve', operator: hostname() };
const COMMAND: Actor = { agent: 'sealgate', operator: operatorName() };

/** One line on standard output: whoever keeps logs keeps checkpoints. */
function publishTo(log: Logger, { n, size, checkpoint }: Chain): void {
  log.info({ batch: n, size, checkpoint }, 'audit checkpoint');
}

/** What is wrong with the audit goes into the log, and into the audit. */
async function report(event: SecurityEvent, o: { log: Logger; audit: AuditLog }): Promise<void> {
  securityEventsTo(o.log)(event);
  try {
    await o.audit.record(event);
  } catch (err) {
    o.log.error({ err }, 'an event was not taken by the audit');
  }
}
