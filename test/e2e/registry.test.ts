/**
 * Protects: a container registry keeps its layers in a bucket unchanged (an old AWS SDK for Go): pushes in chunks, a move by copy
 * once the digest is known, deletes, listings, and pulls that the registry redirects to a presigned URL.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { freePort } from '../helpers/child-server.ts';
import { clientEnvironment } from './support/client-environment.ts';
import { type Check, clientSuite, LeftOut, type Tool } from './support/client-suite.ts';
import { digestsOf } from './support/plaintext.ts';
import { versionOf } from './support/run-client.ts';
import type { Stage } from './support/stage.ts';
import { findOnPath } from './support/store-under-test.ts';

async function installed(): Promise<readonly Tool[]> {
  const command = findOnPath('docker-registry') ?? findOnPath('registry');
  if (command === undefined) return [];
  const version = await versionOf(command, ['--version']);
  return version === undefined ? [] : [{ command, version }];
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

interface Registry {
  /** Of `http://127.0.0.1:PORT/v2/`. */
  ask(method: string, path: string, o?: { body?: Buffer; type?: string; follow?: boolean }): Promise<Response>;
  stop(): Promise<void>;
}

async function start(stage: Stage, command: string, o: { encrypt: boolean }): Promise<Registry> {
  const port = await freePort();
  const config = stage.path('registry.yml');
  const { accessKeyId: accesskey, secretAccessKey: secretkey } = stage.tenant;
  const s3 = {
    ...{ accesskey, secretkey, region: 'us-east-1', regionendpoint: stage.endpoint, bucket: stage.bucket },
    ...{ rootdirectory: '/registry', chunksize: 5 * MiB, forcepathstyle: true, encrypt: o.encrypt },
  };
  const storage = { s3, delete: { enabled: true } };
  const settings = {
    version: 0.1,
    log: { level: 'error' },
    storage,
    http: { addr: `127.0.0.1:${port}`, secret: 'one' },
  };
  // JSON is YAML.
  writeFileSync(config, JSON.stringify(settings), { mode: 0o600 });
  const env = { PATH: process.env['PATH'] ?? '', HOME: stage.directory, ...clientEnvironment(stage) };
  const program = spawn(command, ['serve', config], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [program.stdout, program.stderr]) stream.on('data', (data) => (printed += data));
  const exited = once(program, 'exit');
  const base = `http://127.0.0.1:${port}/v2/`;
  const ask: Registry['ask'] = (method, path, { body, type, follow = true } = {}) =>
    fetch(new URL(path, base), {
      method,
      redirect: follow ? 'follow' : 'manual',
      ...(body && { body: new Uint8Array(body) }),
      headers: { accept: MANIFEST, ...(type !== undefined && { 'content-type': type }) },
    });
  await expect
    .poll(async () => (program.exitCode === null ? (await ask('GET', '').catch(() => undefined))?.status : printed))
    .toBe(200);
  return {
    ask,
    async stop() {
      program.kill('SIGTERM');
      await exited;
    },
  };
}

const digestOf = (content: Buffer) => `sha256:${digestsOf(content).sha256}`;

async function push(registry: Registry, chunks: readonly Buffer[]): Promise<string> {
  const digest = digestOf(Buffer.concat(chunks));
  let { headers, status } = await registry.ask('POST', 'app/blobs/uploads/');
  expect(status).toBe(202);
  for (const body of chunks) {
    const at = headers.get('location') ?? '';
    ({ headers, status } = await registry.ask('PATCH', at, { body, type: 'application/octet-stream' }));
    expect(status).toBe(202);
  }
  const end = new URL(headers.get('location') ?? '');
  end.searchParams.set('digest', digest);
  const done = await registry.ask('PUT', end.href);
  expect([done.status, done.status === 201 ? '' : await done.text()]).toEqual([201, '']);
  return digest;
}

const imageOf =
  (encrypt: boolean): Check =>
  async ({ stage, tool }) => {
    if (encrypt && stage.store.name === 'MinIO') throw new LeftOut('MinIO has no key service for SSE-S3 here');
    const registry = await start(stage, tool.command, { encrypt });
    try {
      const layer = [stage.content(7 * MiB + 1), stage.content(6 * MiB), stage.content(10)];
      const config = Buffer.from('{"architecture":"amd64","os":"linux"}');
      const described = async (mediaType: string, chunks: readonly Buffer[]) => ({
        mediaType,
        digest: await push(registry, chunks),
        size: Buffer.concat(chunks).length,
      });
      const body = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MANIFEST,
          config: await described('application/vnd.oci.image.config.v1+json', [config]),
          layers: [await described('application/vnd.oci.image.layer.v1.tar', layer)],
        }),
      );
      expect((await registry.ask('PUT', 'app/manifests/latest', { body, type: MANIFEST })).status).toBe(201);
      const manifest = await registry.ask('GET', 'app/manifests/latest');
      expect(Buffer.from(await manifest.arrayBuffer()).equals(body)).toBe(true);
      const blob = `app/blobs/${digestOf(Buffer.concat(layer))}`;
      const redirected = await registry.ask('GET', blob, { follow: false });
      expect([redirected.status, redirected.headers.get('location')?.startsWith(stage.endpoint)]).toEqual([307, true]);
      const pulled = await registry.ask('GET', blob);
      expect(Buffer.from(await pulled.arrayBuffer()).equals(Buffer.concat(layer))).toBe(true);
      const catalog = await registry.ask('GET', '_catalog');
      expect(await catalog.json()).toEqual({ repositories: ['app'] });
      expect((await registry.ask('DELETE', `app/manifests/${digestOf(body)}`)).status).toBe(202);
      expect((await registry.ask('GET', 'app/manifests/latest')).status).toBe(404);
    } finally {
      await registry.stop();
    }
    return 'a layer of 13 MiB in 3 chunks; the pull follows a presigned URL';
  };

clientSuite({
  client: 'docker registry',
  tools: await installed(),
  stages: [
    { store: 'embedded store', transport: 'http' },
    { store: 'MinIO', transport: 'http' },
  ],
  checks: { 'push and pull an image': imageOf(false), 'push and pull an image, encrypt: true': imageOf(true) },
});
