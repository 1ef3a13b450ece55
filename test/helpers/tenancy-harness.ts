/** A tenancy over a backend in memory, with a clock to turn, the events it emitted and a count of key derivations. */

import { type AccessKey, unsealAccessKeyId } from '../../proxy/keyring/access-keys/access-key-id.ts';
import type { SealKeys } from '../../proxy/keyring/access-keys/seal-keys.ts';
import type { KeyringDeps } from '../../proxy/keyring/admin/change-keyring.ts';
import type { OpenTenant } from '../../proxy/keyring/open-tenant.ts';
import { KdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import { canonicalJson } from '../../proxy/keyring/state/canonical-json.ts';
import type { Keyring } from '../../proxy/keyring/state/document.ts';
import { keyringName } from '../../proxy/keyring/state/records.ts';
import { StateStore } from '../../proxy/keyring/state/state.ts';
import { Tenancy } from '../../proxy/keyring/tenancy.ts';
import type { SecurityEvent } from '../../proxy/observe/events.ts';
import { newSealKeys } from './keyring-fixture.ts';
import { StateBackend } from './state-backend.ts';

export class TenancyHarness {
  readonly backend = new StateBackend();
  readonly state = new StateStore({ backend: this.backend, bucket: 'state', prefix: 'p' });
  readonly events: SecurityEvent[] = [];
  readonly runner = new KdfRunner();
  readonly sealKeys: SealKeys;
  readonly tenancy: Tenancy;
  /** Milliseconds. */
  time = Date.parse('2026-06-01T00:00:00Z');

  constructor(o: { sealKeys?: SealKeys; ttlSeconds?: number; cacheEntries?: number } = {}) {
    this.sealKeys = o.sealKeys ?? newSealKeys('one');
    this.tenancy = new Tenancy({
      state: this.state,
      sealKeys: this.sealKeys,
      record: (event) => void this.events.push(event),
      now: () => new Date(this.time),
      runner: this.runner,
      ...(o.ttlSeconds === undefined ? {} : { ttlSeconds: o.ttlSeconds }),
      cacheEntries: o.cacheEntries ?? 100,
    });
  }

  /** What changes keyrings of that state, as another process would. */
  get deps(): KeyringDeps {
    const { state, sealKeys, runner } = this;
    return { state, sealKeys, runner, record: (event) => void this.events.push(event), now: () => new Date(this.time) };
  }

  /** Puts a keyring into the state behind everybody's back, under `tenant`'s name. */
  store(keyring: Keyring | Buffer, tenant?: string): void {
    const body = Buffer.isBuffer(keyring) ? keyring : canonicalJson(keyring);
    const name = tenant ?? (Buffer.isBuffer(keyring) ? '' : keyring.tenant);
    this.backend.overwrite('state', `p/${keyringName(name)}`, body);
  }

  open(accessKeyId: string, signal: AbortSignal = new AbortController().signal): Promise<OpenTenant> {
    return this.tenancy.open(this.unseal(accessKeyId), signal);
  }

  unseal(accessKeyId: string): AccessKey {
    return unsealAccessKeyId(accessKeyId, this.sealKeys);
  }

  /** The S3 code that `open` fails with, or `opened`. */
  async outcome(accessKeyId: string): Promise<string> {
    return this.open(accessKeyId).then(
      () => 'opened',
      (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)),
    );
  }

  get reads(): number {
    return this.backend.requests.filter((request) => request.method === 'GET').length;
  }
}
