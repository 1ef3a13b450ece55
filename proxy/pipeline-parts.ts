/** What the pipeline is made of: runtime.ts puts it together once, and every stage of a request takes what it needs. */

import type { Policy } from './access/policy.ts';
import type { RateLimits } from './access/rates/rate-limits.ts';
import type { AuditLog } from './audit/audit-log.ts';
import type { InBlocks } from './http/addresses.ts';
import type { LeastRates } from './http/edge-limits.ts';
import type { OwnKeys } from './iam/own-keys.ts';
import type { WebIdentityDeps } from './iam/sessions/web-identity-session.ts';
import type { SessionIssuer } from './keyring/sessions/issue-session.ts';
import type { SessionUpkeep } from './keyring/sessions/session-upkeep.ts';
import type { UseCounts } from './keyring/sessions/use-counts.ts';
import type { Tenancy } from './keyring/tenancy.ts';
import type { UseNotes } from './keyring/uses/note-uses.ts';
import type { KmsSecrets } from './kms/kms-secrets.ts';
import type { MemoryBudget } from './memory/admission.ts';
import type { Logger } from './observe/log.ts';
import type { Metrics } from './observe/metrics.ts';
import type { WriteRequestLine } from './observe/request-line.ts';
import type { Tracing } from './observe/tracing.ts';
import type { Services } from './operation.ts';
import type { Router } from './route.ts';

export interface Pipeline {
  readonly services: Services;
  readonly tenancy: Tenancy;
  /** The key services that slots may need. */
  readonly kms: KmsSecrets;
  /** Records when keys were last used. Undefined where last use is not recorded. */
  readonly uses: UseNotes | undefined;
  /** What callers may do with the keys of their own tenant. */
  readonly ownKeys: OwnKeys;
  /** Issues temporary credentials. */
  readonly sessions: SessionIssuer;
  /** Exchanges tokens of issuers for sessions of roles. */
  readonly webIdentity: WebIdentityDeps;
  /** Counts the requests of sessions that may make only so many (`sealgate:MaxUses`). */
  readonly useCounts: UseCounts;
  /** Takes away what sessions left. */
  readonly sessionUpkeep: SessionUpkeep;
  /** The server's own rules, which limit every caller. */
  readonly server: Policy;
  /** How often clients may ask. */
  readonly rates: RateLimits;
  readonly router: Router;
  /** Told what each request came to; undefined where the audit is off. */
  readonly audit: AuditLog | undefined;
  readonly log: Logger;
  /** Where traces are on. */
  readonly tracing: Tracing | undefined;
  /** Of every request, when it is over. */
  readonly writeLine: WriteRequestLine;
  readonly metrics: Metrics;
  /** Memory that all requests together may use for buffers. */
  readonly memory: MemoryBudget;
  /** The least rates at which clients must send a body and read a reply. Slower connections are cut. */
  readonly leastRates: LeastRates;
  /** Milliseconds after which a request that writes is cut. */
  readonly longestWriteMs: number;
  readonly hostnames: readonly string[];
  /** Whether an address is of a forwarder whose X-Forwarded-For counts. */
  readonly isTrustedProxy: InBlocks;
  /** Region that signatures must name; undefined accepts any. */
  readonly signingRegion: string | undefined;
  readonly now: () => Date;
}
