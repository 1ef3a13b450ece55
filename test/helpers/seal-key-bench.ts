/** Servers on one state in memory, with a clock to turn: each with seal keys of its own, as replicas get a new secret minutes apart. */
import type { SealKey } from '../../proxy/keyring/access-keys/seal-keys.ts';
import { SealKeys } from '../../proxy/keyring/access-keys/seal-keys.ts';
import { activateSealKey } from '../../proxy/keyring/active-seal-key/activate.ts';
import { ACTIVE_RECORD } from '../../proxy/keyring/active-seal-key/active-record.ts';
import { openActiveSealKey } from '../../proxy/keyring/active-seal-key/open-active.ts';
import { replicaName } from '../../proxy/keyring/active-seal-key/replica-record.ts';
import { SealKeyUpkeep } from '../../proxy/keyring/active-seal-key/seal-key-upkeep.ts';
import { StateStore } from '../../proxy/keyring/state/state.ts';
import type { SecurityEvent } from '../../proxy/observe/events.ts';
import { createLogger } from '../../proxy/observe/log.ts';
import { newSealKeys } from './keyring-fixture.ts';
import { StateBackend } from './state-backend.ts';

export interface TestServer {
  readonly sealKeys: SealKeys;
  readonly upkeep: SealKeyUpkeep;
  /** Ids that became active while it ran. */
  readonly activated: readonly string[];
  /** Lines of its log. */
  readonly log: readonly Record<string, unknown>[];
  readonly isNew: boolean;
}

export class SealKeyBench {
  readonly backend = new StateBackend();
  readonly state = new StateStore({ backend: this.backend, bucket: 'state', prefix: 'p' });
  readonly events: SecurityEvent[] = [];
  readonly signal = AbortSignal.timeout(60_000);
  /** Milliseconds. */
  time = Date.parse('2026-06-01T00:00:00Z');
  readonly #keys = new Map<string, SealKey>();

  constructor() {
    this.backend.now = this.now;
  }

  static async open(): Promise<SealKeyBench> {
    const bench = new SealKeyBench();
    await bench.state.ensureBucket(bench.signal);
    return bench;
  }

  readonly now = (): Date => new Date(this.time);
  readonly record = (event: SecurityEvent): void => void this.events.push(event);

  /** Seal keys in that order; one id has one secret in all of them. */
  keys(...kids: readonly string[]): SealKeys {
    return new SealKeys(
      kids.map((kid) => {
        const key = this.#keys.get(kid) ?? newSealKeys(kid).active;
        this.#keys.set(kid, key);
        return key;
      }),
    );
  }

  /** As it starts: its own seal keys, in the order of its file. */
  async start(sealKeys: SealKeys, o: { readonly host?: string } = {}): Promise<TestServer> {
    const { state, now, record, signal } = this;
    const started = await openActiveSealKey({ state, sealKeys, now }, signal);
    const activated: string[] = [];
    const log: Record<string, unknown>[] = [];
    const destination = { write: (line: string) => void log.push(JSON.parse(line)) };
    const upkeep = new SealKeyUpkeep({
      ...{ state, sealKeys, started, now, record },
      host: o.host ?? 'host',
      log: createLogger({ level: 'info', destination }),
      onActivate: (kid) => activated.push(kid),
    });
    await upkeep.start();
    return { sealKeys, upkeep, activated, log, isNew: started.isNew };
  }

  activate(sealKeys: SealKeys, kid: string, o: { readonly replaceDamaged?: boolean } = {}) {
    const { state, now, record, signal } = this;
    const replaceDamaged = o.replaceDamaged ?? false;
    return activateSealKey({ state, sealKeys, now, record }, { kid, replaceDamaged }, signal);
  }

  get activeRecord(): Buffer | undefined {
    return this.backend.stored('state', `p/${ACTIVE_RECORD}`);
  }

  /** Behind everybody's back. */
  putActive(body: Buffer): void {
    this.backend.overwrite('state', `p/${ACTIVE_RECORD}`, body);
  }

  async removeActive(): Promise<void> {
    await this.state.delete(ACTIVE_RECORD, this.signal);
  }

  report({ upkeep }: TestServer): Buffer | undefined {
    return this.backend.stored('state', `p/${replicaName(upkeep.boot)}`);
  }

  /** PUTs that servers sent. */
  get puts(): number {
    return this.backend.requests.filter(({ method }) => method === 'PUT').length;
  }
}
