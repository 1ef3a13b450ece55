/**
 * What work on stored objects needs, whoever it is done for: a client's request, a command or a job. All three make it here.
 * Below operations/ nobody knows a request: the headers that accompany every request to the store are part of the context,
 * and everything else that a client says arrives as a typed value.
 */
import type { Backend } from '../backend/backend.ts';
import type { Capabilities } from '../backend/capabilities.ts';
import { FairLimit } from '../concurrency/fair-limit.ts';
import { SharedLookUps } from '../concurrency/shared-look-ups.ts';
import type { LegacyPolicy } from '../config/config.ts';
import type { OpenTenant } from '../keyring/open-tenant.ts';
import { ATTRIBUTES_CACHE_BYTES, LISTED_ATTRIBUTES_BYTES, LOOKUPS_AT_ONCE, OPENED_HEADERS_BYTES } from '../limits.ts';
import type { RecordEvent, SecurityEventKind } from '../observe/events.ts';
import { AttributesCache, type ListedAttributes } from './attributes-cache.ts';
import { type EtagMode, type EtagModes, MD5_ETAGS } from './etags.ts';
import { OpenedHeaders } from './opened-headers.ts';
import { RecentObjects } from './recent-objects.ts';

/** The store's settings: what nobody but the caller can know. */
export interface ObjectStoreOptions {
  readonly backend: Backend;
  readonly capabilities: Capabilities;
  readonly legacy: LegacyPolicy;
  /** Answer conditions that the backend cannot decide atomically by checking first (true) or with NotImplemented. */
  readonly bestEffortConditions: boolean;
  /** Which ETags buckets show; MD5s when absent, for work that shows no client an ETag. */
  readonly etags?: EtagModes;
  readonly record: RecordEvent;
  readonly now: () => Date;
}

/** The store of a process: its settings, and what all work in the process shares. */
export interface ObjectStore extends ObjectStoreOptions {
  readonly etags: EtagModes;
  readonly cache: AttributesCache;
  readonly headers: Pick<OpenedHeaders, 'open'>;
  readonly recent: Pick<RecentObjects, 'get' | 'remember' | 'forget'>;
  /** Look-ups of listed objects under way, by version, and how many there may be. */
  readonly listing: SharedLookUps<ListedAttributes>;
  readonly lookUps: FairLimit;
}

/** Once for a process. */
export function objectStore(o: ObjectStoreOptions): ObjectStore {
  const { backend, capabilities, legacy, bestEffortConditions, etags = MD5_ETAGS, record, now } = o;
  return {
    backend,
    capabilities,
    legacy,
    bestEffortConditions,
    etags,
    record,
    now,
    cache: new AttributesCache({ bytes: ATTRIBUTES_CACHE_BYTES, listedBytes: LISTED_ATTRIBUTES_BYTES }),
    headers: new OpenedHeaders({ bytes: OPENED_HEADERS_BYTES }),
    recent: new RecentObjects(),
    listing: new SharedLookUps(),
    lookUps: new FairLimit({ atOnce: LOOKUPS_AT_ONCE }),
  };
}

/** Headers of a client about the account that pays and the account that owns the bucket; lower-case names. */
export type AccountHeaders = Readonly<Record<string, string>>;

/** The store as one piece of work uses it: for one tenant, until one signal. */
export interface StoreContext<Store extends ObjectStore = ObjectStore> {
  readonly store: Store;
  /** Its root keys open and seal. */
  readonly tenant: OpenTenant;
  readonly signal: AbortSignal;
  /** The id of the client's request, for security events; a command has none. */
  readonly requestId: string | undefined;
  /** They accompany every request about an object. */
  readonly accountHeaders: AccountHeaders;
}

/** The store without anybody's keys: for requests that move stored bytes and settings as they are. */
export interface StoreAccess {
  readonly store: Pick<ObjectStore, 'backend' | 'capabilities' | 'now'>;
  readonly signal: AbortSignal;
  readonly accountHeaders: AccountHeaders;
}

export const NO_ACCOUNT_HEADERS: AccountHeaders = {};

/** For every request, and for every command or job. */
export function storeContext<Store extends ObjectStore>(
  store: Store,
  o: { tenant: OpenTenant; signal: AbortSignal; requestId?: string | undefined; accountHeaders?: AccountHeaders },
): StoreContext<Store> {
  const { tenant, signal, requestId, accountHeaders = NO_ACCOUNT_HEADERS } = o;
  return { store, tenant, signal, requestId, accountHeaders };
}

/** Which ETags the objects of a bucket show. @throws S3Error AccessDenied, ServiceUnavailable */
export function etagMode({ store, signal }: StoreContext, bucket: string): EtagMode | Promise<EtagMode> {
  return store.etags.of(bucket, signal);
}

/** One security event about an object. */
export async function reportObject(
  context: StoreContext,
  o: { kind: SecurityEventKind; detail: string; bucket: string; key: string },
): Promise<void> {
  const { kind, detail, bucket, key } = o;
  const { requestId, tenant } = context;
  const named = requestId === undefined ? {} : { requestId };
  await context.store.record({ kind, detail, tenant: tenant.id, bucket, key, ...named });
}
