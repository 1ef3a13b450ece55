/** Everything that a run starts: the backend, the targets in front of it, and the process that measures cryptography. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from './client/ask.ts';
import type { Address } from './client/connection.ts';
import type { CryptoFloor } from './floor-child.ts';
import type { Load } from './loads/load.ts';
import type { NamedEndpoint, Options } from './options.ts';
import { type BackendUnderTest, startSink } from './targets/backend.ts';
import { Children } from './targets/children.ts';
import { startNginx } from './targets/nginx.ts';
import { startPassThrough } from './targets/pass-through.ts';
import { type Installation, installSealgate, startSealgate } from './targets/sealgate.ts';
import { PLAIN_BUCKET, type Target } from './targets/target.ts';
import { type Certificate, runCertificate } from './tls.ts';

export interface Environment {
  readonly backend: BackendUnderTest;
  /** By the transport that clients use. */
  readonly targets: Readonly<Record<Load['transport'], readonly Target[]>>;
  /** What was left out, and why. */
  readonly notes: readonly string[];
  measureCrypto(): Promise<CryptoFloor>;
  stop(): Promise<void>;
}

/** @throws Error when something that must run does not start. */
export async function openEnvironment(
  options: Options,
  wanted: { readonly tls: boolean; readonly floor: boolean },
): Promise<Environment> {
  const directory = mkdtempSync(join(tmpdir(), 'sealgate-bench-'));
  const remove = () => rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  const children = new Children(directory);
  // Behind the end of the children, which write there.
  process.once('exit', remove);
  const certificate = wanted.tls ? runCertificate(directory) : undefined;
  const backend = await openBackend(children, options, certificate);
  const started = await startTargets({ children, backend, directory, certificate, options, floor: wanted.floor });
  for (const target of Object.values(started.targets).flat()) {
    await ask(target.endpoint, { method: 'PUT' }, { statuses: [200, 409] });
  }
  if (wanted.tls && certificate === undefined) started.notes.push('TLS loads left out: there is no openssl here');
  const floor = children.fork(new URL('floor-child.ts', import.meta.url), []);
  return {
    backend,
    targets: started.targets,
    notes: started.notes,
    async measureCrypto() {
      floor.process.send({});
      const [found] = (await once(floor.process, 'message')) as [CryptoFloor];
      return found;
    },
    async stop() {
      await children.stopAll();
      remove();
    },
  };
}

async function openBackend(
  children: Children,
  options: Options,
  tls: Certificate | undefined,
): Promise<BackendUnderTest> {
  if (options.backend === undefined) return startSink(children, { port: options.sinkPort, tls });
  const { name, url, credentials, region, pids } = options.backend;
  return { name, url, credentials, region, pids };
}

interface StartOptions {
  readonly children: Children;
  readonly backend: BackendUnderTest;
  readonly directory: string;
  readonly certificate: Certificate | undefined;
  readonly options: Options;
  readonly floor: boolean;
}

async function startTargets(o: StartOptions): Promise<Pick<Environment, 'targets'> & { notes: string[] }> {
  const { children, backend, directory, certificate: tls, options } = o;
  const notes: string[] = [];
  const http = [direct(backend, 'direct', addressOf(backend.url))];
  // The store must hold the bucket before a pass-through is asked whether it answers.
  await ask(http[0]?.endpoint ?? never(), { method: 'PUT' }, { statuses: [200, 409] });
  const nginx = await startNginx({ name: 'nginx', children, backend, directory });
  if (nginx === undefined) notes.push('nginx left out: it is not installed, or the backend is not plain HTTP');
  else http.push(nginx);
  const passThrough = o.floor ? await startPassThrough(children, backend) : undefined;
  if (passThrough !== undefined) http.push(passThrough);
  const installation = await installSealgate(backend, { name: 'sealed', directory, children });
  const common = { children, installation, backend, directory, settings: options.settings };
  http.push(await startSealgate({ ...common, name: 'sealgate', profile: options.profile }));
  if (options.base !== undefined) {
    const place = join(directory, 'base');
    const base = await installSealgate(backend, { name: 'base', directory: place, children, root: options.base });
    http.push(await startSealgate({ ...common, installation: base, name: 'base' }));
  }
  if (options.opaque) {
    const place = join(directory, 'opaque');
    const opaque = await installSealgate(backend, { name: 'opaque', directory: place, children });
    const settings = { ...options.settings, SEALGATE_ETAGS: 'opaque', SEALGATE_LEGACY: 'deny' };
    http.push(await startSealgate({ ...common, installation: opaque, name: 'opaque', settings }));
  }
  const others = options.targets.map(named);
  http.push(...others.filter(({ endpoint }) => !endpoint.address.tls));
  const secure = others.filter(({ endpoint }) => endpoint.address.tls);
  if (tls === undefined) return { targets: { http, tls: secure, 'tls-store': [] }, notes };
  const secureNginx = await startNginx({ name: 'nginx-tls', children, backend, directory, tls });
  if (secureNginx !== undefined) secure.unshift({ ...secureNginx, name: 'nginx' });
  if (backend.tlsUrl !== undefined)
    secure.unshift(direct(backend, 'direct', { ...addressOf(backend.tlsUrl), ca: tls.authorityPem }));
  secure.push({ ...(await startSealgate({ ...common, name: 'sealgate-tls', tls })), name: 'sealgate' });
  return { targets: { http, tls: secure, 'tls-store': await overTlsToTheStore(o, installation, tls) }, notes };
}

/** The client's own TLS beside that of a Sealgate, which clients reach over plain HTTP. */
async function overTlsToTheStore(
  { children, backend, directory, options }: StartOptions,
  installation: Installation,
  tls: Certificate,
): Promise<Target[]> {
  if (backend.tlsUrl === undefined) return [];
  const settings = { ...options.settings, SEALGATE_BACKEND: backend.tlsUrl, SEALGATE_BACKEND_CA: tls.authority };
  const common = { children, installation, backend, directory, settings };
  return [
    direct(backend, 'direct', { ...addressOf(backend.tlsUrl), ca: tls.authorityPem }),
    { ...(await startSealgate({ ...common, name: 'sealgate-tls-store' })), name: 'sealgate' },
  ];
}

function never(): never {
  throw new Error('there is no backend');
}

function addressOf(url: string): Address {
  const { hostname, port, protocol } = new URL(url);
  const tls = protocol === 'https:';
  return { host: hostname, port: Number(port) || (tls ? 443 : 80), tls };
}

function direct(backend: BackendUnderTest, name: string, address: Address): Target {
  const { credentials, region } = backend;
  const authority = `${address.host}:${address.port}`;
  const endpoint = { address, authority, credentials, region, bucket: PLAIN_BUCKET };
  return { name, endpoint, pids: backend.pids, store: PLAIN_BUCKET };
}

function named({ name, url, credentials, region, pids }: NamedEndpoint): Target {
  const bucket = `bench-${name}`;
  const endpoint = { address: addressOf(url), authority: new URL(url).host, credentials, region, bucket };
  return { name, endpoint, pids, store: bucket };
}
