/** Servers on one state and one clock, without their HTTP: each opens tenants, issues sessions and upgrades KDFs for itself. */
import { createHash } from 'node:crypto';
import type { AccessKey } from '../../proxy/keyring/access-keys/access-key-id.ts';
import type { SealKeys } from '../../proxy/keyring/access-keys/seal-keys.ts';
import type { KeyringDeps } from '../../proxy/keyring/admin/change-keyring.ts';
import { SessionDays } from '../../proxy/keyring/sessions/day-records.ts';
import { type IssuedSession, SessionIssuer } from '../../proxy/keyring/sessions/issue-session.ts';
import type { SignIn } from '../../proxy/keyring/sign-in.ts';
import { type Kdf, KdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import { upgradeKdf } from '../../proxy/keyring/slots/upgrade-kdf.ts';
import { Tenancy } from '../../proxy/keyring/tenancy.ts';
import type { KmsSecrets } from '../../proxy/kms/kms-secrets.ts';
import type { TenancyHarness } from './tenancy-harness.ts';

/**
 * Derives keys by a hash in the place of a slow function. `next` runs once, before the next derivation: between the read of a
 * keyring and what is made of it.
 */
export class PausedRunner extends KdfRunner {
  next: (() => Promise<unknown>) | undefined;

  constructor() {
    super({ slow: quick });
  }

  override async derive(...args: Parameters<KdfRunner['derive']>): Promise<Buffer> {
    const run = this.next;
    this.next = undefined;
    await run?.();
    return super.derive(...args);
  }
}

export class SessionReplica {
  readonly runner = new PausedRunner();
  readonly deps: KeyringDeps;
  readonly days: SessionDays;
  readonly tenancy: Tenancy;
  readonly failures: unknown[] = [];
  upgradesBegun = 0;
  readonly #issuer: SessionIssuer;
  #upgrades: Promise<void>[] = [];
  readonly #signal = new AbortController().signal;

  constructor(harness: TenancyHarness, o: { sealKeys?: SealKeys; kms?: KmsSecrets; aheadMs?: number } = {}) {
    const { state } = harness;
    const sealKeys = o.sealKeys ?? harness.sealKeys;
    const now = () => new Date(harness.time + (o.aheadMs ?? 0));
    this.days = new SessionDays({ state, sealKeys, now });
    const own = { sealKeys, runner: this.runner, ...(o.kms === undefined ? {} : { kms: o.kms }) };
    this.deps = { ...harness.deps, ...own, now };
    this.tenancy = new Tenancy({
      ...this.deps,
      sessionDays: this.days,
      onKdfDue: (signIn) => {
        this.upgradesBegun += 1;
        this.#upgrades.push(this.#upgrade(signIn));
      },
    });
    this.#issuer = new SessionIssuer({ deps: this.deps, days: this.days, upgradeKdf: (of) => this.#upgrade(of) });
  }

  #upgrade(of: Pick<SignIn, 'key' | 'slot'>): Promise<void> {
    return upgradeKdf(this.deps, of, (error) => this.failures.push(error));
  }

  issue(key: AccessKey, seconds: number): Promise<IssuedSession> {
    return this.#issuer.issue(key, { seconds, details: {} }, this.#signal);
  }

  /** The S3 code of the refusal, or `open`. What the key's use began in the background is done then. */
  async useKey(accessKeyId: string): Promise<string> {
    const outcome = await said(
      this.tenancy.resolve(accessKeyId, this.#signal).then((key) => this.tenancy.open(key, this.#signal)),
    );
    await Promise.all(this.#upgrades.splice(0));
    return outcome;
  }

  useSession({ accessKeyId, sessionToken: token }: IssuedSession): Promise<string> {
    const resolved = this.tenancy.resolveSession({ accessKeyId, token }, this.#signal);
    return said(resolved.then((session) => this.tenancy.open(session, this.#signal)));
  }
}

async function quick(kdf: Kdf, secret: Buffer, salt: Buffer): Promise<Buffer> {
  return createHash('sha256').update(JSON.stringify(kdf)).update(salt).update(secret).digest();
}

function said(outcome: Promise<unknown>): Promise<string> {
  return outcome.then(
    () => 'open',
    (error: unknown) => String((error as { code?: unknown }).code ?? error),
  );
}
