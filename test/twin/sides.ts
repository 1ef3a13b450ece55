/**
 * The two sides of a run: a store bare, and the proxy in front of another instance of the same store that nobody else uses. The
 * proxy is the one that `sealgate serve` runs, in this process, with a tenant of its own.
 */
import { randomBytes } from 'node:crypto';
import type { Backend } from '../../proxy/backend/backend.ts';
import { openS3Backend } from '../../proxy/backend/s3/s3.ts';
import type { EtagMode } from '../../proxy/object/etags.ts';
import { temporaryStore } from '../helpers/bench.ts';
import type { ChildServer } from '../helpers/child-server.ts';
import { startMinio } from '../helpers/minio.ts';
import { startMoto } from '../helpers/moto.ts';
import { startTestProxy } from '../helpers/proxy.ts';
import type { Algorithm } from '../helpers/reference-checksums.ts';
import { strictBackend } from '../helpers/strict-backend.ts';
import { serveBare } from './bare-server.ts';
import type { StoreName } from './difference.ts';
import type { Side } from './request.ts';

export interface Sides {
  readonly bare: Side;
  readonly proxy: Side;
  close(): Promise<void>;
}

/** What the strict wrapper verifies itself. */
const STRICT_CHECKSUMS: readonly Algorithm[] = ['CRC32', 'CRC32C', 'SHA1', 'SHA256'];

interface Instance {
  /** For the proxy. */
  readonly backend: Backend;
  /** For clients without a proxy. */
  readonly side: Side;
  close(): Promise<void>;
}

/** `undefined`, with one printed line, when the store is not installed. */
export async function openSides(store: StoreName, o: { etags?: EtagMode } = {}): Promise<Sides | undefined> {
  const bare = await openInstance(store);
  if (bare === undefined) return undefined;
  const behind = await openInstance(store);
  if (behind === undefined) throw new Error(`${store} could be started once only`);
  const { etags = 'md5' } = o;
  const config = { legacy: { kind: 'deny' as const }, logLevel: 'warn' as const, etags };
  const proxy = await startTestProxy({ backend: behind.backend, config });
  const credentials = await proxy.createTenant();
  return {
    bare: bare.side,
    proxy: { endpoint: proxy.endpoint, credentials },
    async close() {
      await proxy.close();
      await Promise.all([bare.close(), behind.close()]);
    },
  };
}

async function openInstance(store: StoreName): Promise<Instance | undefined> {
  if (store === 'embedded') {
    const { backend, close } = await temporaryStore();
    return gated(backend, { close, checksums: [] });
  }
  const server = store === 'minio' ? await startMinio() : await startMoto();
  if (server === undefined) return undefined;
  const backend = openS3Backend({ ...server, region: 'us-east-1', pathStyle: true });
  if (store === 'moto-strict') {
    return gated(strictBackend(backend), { close: () => closeBoth(backend, server), checksums: STRICT_CHECKSUMS });
  }
  return { backend, side: sideOf(server), close: () => closeBoth(backend, server) };
}

async function closeBoth(backend: Backend, server: ChildServer): Promise<void> {
  await backend.close();
  await server.stop();
}

function sideOf({ endpoint, accessKeyId, secretAccessKey }: ChildServer): Side {
  return { endpoint: endpoint.origin, credentials: { accessKeyId, secretAccessKey } };
}

/** The same backend, wrapper included, for the proxy and behind an endpoint of its own. */
async function gated(
  backend: Backend,
  o: { close: () => Promise<void>; checksums: readonly Algorithm[] },
): Promise<Instance> {
  const server = await serveBare(backend, { checksums: o.checksums });
  const credentials = {
    accessKeyId: `test${randomBytes(8).toString('hex')}`,
    secretAccessKey: randomBytes(20).toString('hex'),
  };
  return {
    backend,
    side: { endpoint: server.endpoint, credentials },
    async close() {
      await server.close();
      await o.close();
    },
  };
}
