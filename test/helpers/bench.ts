/**
 * A proxy, a tenant with full access, a bucket and a watched backend: what most tests of the proxy begin with. By default on
 * an embedded store of its own in a temporary directory.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutBucketVersioningCommand, type S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll } from 'vitest';
import type { Backend } from '../../proxy/backend/backend.ts';
import type { Capabilities } from '../../proxy/backend/capabilities.ts';
import { openLocalBackend } from '../../proxy/backend/local/local.ts';
import { probeCapabilities } from '../../proxy/backend/probe.ts';
import type { SecurityEventKind } from '../../proxy/observe/events.ts';
import { startTestProxy, type TestProxy, type TestProxyOptions, type TestTenant, uniqueBucket } from './proxy.ts';
import { type RawReply, type RawRequest, sendSigned } from './raw-client.ts';
import { WatchedBackend } from './watched-backend.ts';

export interface OpenedBackend {
  readonly backend: Backend;
  /** Closes it and removes what it stored. */
  close(): Promise<void>;
}

/** An embedded store in a directory of its own. */
export async function temporaryStore(): Promise<OpenedBackend & { directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-test-'));
  const backend = await openLocalBackend({ directory });
  return {
    backend,
    directory,
    async close() {
      await backend.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export interface Bench {
  readonly proxy: TestProxy;
  readonly backend: WatchedBackend;
  readonly tenant: TestTenant;
  readonly s3: S3Client;
  readonly bucket: string;
  readonly capabilities: Capabilities;
  /** A request signed by the tenant, or another one. */
  send(request: RawRequest, as?: TestTenant): Promise<RawReply>;
  /** Backend requests about the bucket while `work` ran. */
  watch<T>(work: () => Promise<T>): Promise<{ result: T; requests: WatchedBackend['requests'] }>;
  /** Security events logged so far, newest last. */
  events(kind?: SecurityEventKind): readonly Record<string, unknown>[];
  close(): Promise<void>;
}

export type BenchOptions = Omit<TestProxyOptions, 'backend'> & { readonly store?: OpenedBackend };

export async function openBench(o: BenchOptions = {}): Promise<Bench> {
  const { store, ...options } = o;
  const opened = store ?? (await temporaryStore());
  const backend = new WatchedBackend(opened.backend);
  const stateBucket = options.config?.state?.bucket ?? 'sealgate-state';
  await createBucket(opened.backend, stateBucket);
  const capabilities = options.capabilities ?? (await capabilitiesOf(opened.backend, stateBucket, store === undefined));
  const proxy = await startTestProxy({ ...options, backend, capabilities });
  const tenant = await proxy.createTenant();
  const s3 = proxy.client(tenant);
  const bucket = uniqueBucket();
  await createBucket(opened.backend, bucket);
  return {
    proxy,
    backend,
    tenant,
    s3,
    bucket,
    capabilities,
    send: (request, as = tenant) => sendSigned(proxy.endpoint, as, request),
    async watch(work) {
      const mark = backend.requests.length;
      const result = await work();
      return { result, requests: [...backend.since(mark, bucket)] };
    },
    events: (kind) =>
      proxy.log.filter(({ securityEvent }) =>
        kind === undefined ? securityEvent !== undefined : securityEvent === kind,
      ),
    async close() {
      s3.destroy();
      await proxy.close();
      await opened.close();
    },
  };
}

/**
 * One bench for the tests of a file or of a `describe`: opened before the first of them, closed after the last. What it has can
 * be used from `beforeAll` on. `how`: options, or a function where opening takes more than that.
 */
export function sharedBench(how: BenchOptions | (() => Promise<Bench>) = {}): Bench {
  let opened: Bench | undefined;
  beforeAll(async () => {
    opened = await (typeof how === 'function' ? how() : openBench(how));
  });
  afterAll(() => opened?.close());
  const current = () => {
    if (opened === undefined) throw new Error('the bench is used before it is open');
    return opened;
  };
  // The last two, so that `{ ...bench, ... }` has what the bench has.
  return new Proxy({} as Bench, {
    get: (_, name) => Reflect.get(current(), name) as unknown,
    ownKeys: () => Reflect.ownKeys(current()),
    getOwnPropertyDescriptor: (_, name) => Reflect.getOwnPropertyDescriptor(current(), name),
  });
}

/** Embedded stores are all alike, so one of them is probed per process. */
let embedded: Promise<Capabilities> | undefined;

function capabilitiesOf(backend: Backend, bucket: string, isEmbedded: boolean): Promise<Capabilities> {
  const probe = () => probeCapabilities(backend, { bucket, prefix: 'probe/', signal: AbortSignal.timeout(60_000) });
  if (!isEmbedded) return probe();
  embedded ??= probe();
  return embedded;
}

/** Asked for as a client does. */
export async function setVersioning({ s3, bucket }: Bench, Status: 'Enabled' | 'Suspended'): Promise<void> {
  await s3.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status } }));
}

/** At the backend itself, whatever the proxy's clock says. */
async function createBucket(backend: Backend, bucket: string): Promise<void> {
  const signal = AbortSignal.timeout(60_000);
  const made = await backend.send({ method: 'PUT', bucket, body: Buffer.alloc(0), signal });
  made.body.resume();
  if (made.status !== 200 && made.status !== 409) throw new Error(`the bucket was not made: ${made.status}`);
}
