/**
 * An audit log in memory, with a clock of its own: writers, sequencers and whoever verifies what they wrote. The parts are those of a
 * server; only their timers are left out, and what these would do is called.
 */

import { gzipSync } from 'node:zlib';
import { currentAuditKey } from '../../proxy/audit/audit-keys.ts';
import type { Block } from '../../proxy/audit/block.ts';
import type { Chain } from '../../proxy/audit/format/batch.ts';
import { SegmentReader } from '../../proxy/audit/segment-reader.ts';
import { SegmentWriter } from '../../proxy/audit/segment-writer.ts';
import { Sequencer } from '../../proxy/audit/sequencer.ts';
import { Signers } from '../../proxy/audit/signers.ts';
import type { SealKeys } from '../../proxy/keyring/access-keys/seal-keys.ts';
import { StateStore } from '../../proxy/keyring/state/state.ts';
import type { SecurityEvent } from '../../proxy/observe/events.ts';
import { createLogger } from '../../proxy/observe/log.ts';
import { newSealKeys } from './keyring-fixture.ts';
import { StateBackend } from './state-backend.ts';

export const AUDIT_BUCKET = 'state';
export const quietLog = createLogger({ level: 'silent', destination: { write: () => {} } });
export const signal = AbortSignal.timeout(600_000);

export class AuditBench {
  readonly backend = new StateBackend();
  readonly sealKeys: SealKeys;
  readonly store: StateStore;
  /** Milliseconds since 1970. */
  time = Date.parse('2026-11-27T20:00:00.000Z');
  /** What sequencers reported. */
  readonly reported: SecurityEvent[] = [];
  /** Checkpoints that were published, the oldest first. */
  readonly checkpoints: Chain[] = [];
  #events = 0;

  constructor(sealKeys: SealKeys = newSealKeys('one')) {
    this.sealKeys = sealKeys;
    this.store = new StateStore({ backend: this.backend, bucket: AUDIT_BUCKET, prefix: '' });
  }

  static async open(sealKeys?: SealKeys): Promise<AuditBench> {
    const bench = new AuditBench(sealKeys);
    await bench.store.ensureBucket(signal);
    return bench;
  }

  readonly now = (): Date => new Date(this.time);

  reader(sealKeys: SealKeys = this.sealKeys): SegmentReader {
    return new SegmentReader({ store: this.store, keys: { state: this.store, sealKeys } });
  }

  async writer(onWritten: (name: string) => void = () => undefined): Promise<SegmentWriter> {
    const key = await currentAuditKey({ state: this.store, sealKeys: this.sealKeys }, signal);
    const { store, now } = this;
    return new SegmentWriter({ store, key, log: quietLog, now, heartbeats: false, onWritten, retryMaxMs: 250 });
  }

  sequencer(sealKeys: SealKeys = this.sealKeys): Sequencer {
    const reader = this.reader(sealKeys);
    return new Sequencer({
      store: this.store,
      signers: new Signers(sealKeys),
      isAuthentic: (name, within) => reader.isAuthentic(name, within),
      now: this.now,
      log: quietLog,
      report: async (event) => void this.reported.push(event),
      publish: (chain) => void this.checkpoints.push(chain),
    });
  }

  /** A server: what its writer writes, its own sequencer batches. */
  async server(): Promise<{ readonly writer: SegmentWriter; readonly sequencer: Sequencer }> {
    const sequencer = this.sequencer();
    return { sequencer, writer: await this.writer((name) => sequencer.noteWritten(name)) };
  }

  /** A block of `events` records that say who wrote them. Somebody waits for it, so it is a segment at once. */
  block(o: { readonly events?: number; readonly urgent?: boolean; readonly by?: string } = {}): Block {
    const { events = 1, urgent = true, by = 'test' } = o;
    const time = this.now().toISOString().replace('Z', '000Z');
    const lines = Array.from({ length: events }, () => {
      this.#events += 1;
      return JSON.stringify({
        eventVersion: '1.11',
        eventTime: time,
        eventName: 'GetObject',
        eventID: `${by}-${this.#events}`,
      });
    });
    return { events, first: time, last: time, packed: gzipSync(`${lines.join('\n')}\n`), urgent };
  }

  /** Names of one kind that the store has. */
  names(kind: 'segment' | 'batch'): readonly string[] {
    return this.backend.keys(AUDIT_BUCKET).filter((name) => name.startsWith(`audit/${kind}/`));
  }

  body(name: string): Buffer {
    const body = this.backend.stored(AUDIT_BUCKET, name);
    if (body === undefined) throw new Error(`there is no ${name}`);
    return body;
  }

  /** All event ids of the log, in the order of its names. */
  async ids(): Promise<readonly string[]> {
    const reader = this.reader();
    const found: string[] = [];
    for (const name of this.names('segment')) {
      for (const line of (await reader.lines(name, signal)) ?? []) found.push(JSON.parse(line).eventID);
    }
    return found;
  }
}
