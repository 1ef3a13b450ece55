/**
 * A call without a client: what commands hand to the code that reads and moves objects (object/), which otherwise serves
 * requests. There are no headers of a client's, and nobody has to be authorised: whoever runs a command holds the backend's
 * credentials and the tenant's key.
 */
import type { Backend } from './backend/backend.ts';
import type { Capabilities } from './backend/probe.ts';
import { FairLimit } from './concurrency/fair-limit.ts';
import { SharedLookUps } from './concurrency/shared-look-ups.ts';
import type { LegacyPolicy } from './config/config.ts';
import { Query, type S3Request } from './http/request.ts';
import type { OpenTenant } from './keyring/tenancy.ts';
import { ATTRIBUTES_CACHE_BYTES, LISTED_ATTRIBUTES_BYTES, LOOKUPS_AT_ONCE, OPENED_HEADERS_BYTES } from './limits.ts';
import { AttributesCache } from './object/attributes-cache.ts';
import { OpenedHeaders } from './object/opened-headers.ts';
import { RecentObjects } from './object/recent-objects.ts';
import type { EmitSecurityEvent } from './observe/events.ts';
import type { Call, Services } from './operation.ts';

/**
 * All services but those that only requests of clients reach: named by what is left out, so that a service added later has to
 * be given here too.
 */
type Used = Omit<Services, 'region' | 'stateBucket' | 'cors' | 'pages' | 'state' | 'uploads'>;

const NO_REQUEST: S3Request = {
  id: '',
  method: 'GET',
  path: '/',
  rawQuery: '',
  query: new Query(''),
  headers: [],
  bucket: undefined,
  key: undefined,
  equalHosts: [],
  remoteAddress: '',
  secure: false,
  header: () => undefined,
  headerNames: () => [],
};

export function systemCall(o: {
  backend: Backend;
  capabilities: Capabilities;
  tenant: OpenTenant;
  legacy: LegacyPolicy;
  emit: EmitSecurityEvent;
  signal: AbortSignal;
}): Call {
  const { backend, capabilities, emit, legacy, tenant, signal } = o;
  const used: Used = {
    backend,
    capabilities,
    emit,
    legacy,
    cache: new AttributesCache({ bytes: ATTRIBUTES_CACHE_BYTES, listedBytes: LISTED_ATTRIBUTES_BYTES }),
    headers: new OpenedHeaders({ bytes: OPENED_HEADERS_BYTES }),
    recent: new RecentObjects(),
    listing: new SharedLookUps(),
    lookUps: new FairLimit({ atOnce: LOOKUPS_AT_ONCE }),
    now: () => new Date(),
    bestEffortConditions: false,
  };
  const services = used as Services;
  return {
    request: NO_REQUEST,
    tenant,
    services,
    signal,
    bucket: undefined,
    key: undefined,
    body: undefined,
    form: undefined,
  };
}
