/**
 * A deep rotation of 10,000 objects on the embedded store, killed twice and gone on with, beside a server that is written to and
 * read from all the time. Prints what the commands print, and what was counted. Run it with
 * `node test/soak/rotation-transcript.ts [OBJECTS]`; docs/rotation.md shows a run.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { Backend } from '../../proxy/backend/backend.ts';
import { listObjects } from '../../proxy/backend/list-all.ts';
import { openLocalBackend } from '../../proxy/backend/local/local.ts';
import { eachBounded } from '../../proxy/concurrency/map-bounded.ts';
import { SealKeys } from '../../proxy/keyring/access-keys/seal-keys.ts';
import { countEpochs } from '../../proxy/rotation/count-epochs.ts';
import { NODE, PROJECT, runProgram, startServe } from '../e2e/support/program.ts';
import { s3Client } from '../helpers/proxy.ts';

const OBJECTS = Number(process.argv[2] ?? 10_000);
const BUCKET = 'data';
const BODY = randomBytes(1024);

const directory = await mkdtemp(join(tmpdir(), 'sealgate-rotation-'));
const store = join(directory, 'store');
const settings = {
  SEALGATE_BACKEND: `local:${store}`,
  SEALGATE_STATE: 'sealgate-state',
  SEALGATE_SEAL_KEYS: SealKeys.generate(),
};
const say = (text: string) => process.stdout.write(`${text}\n`);

async function command(args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  say(`$ sealgate ${args.join(' ')}`);
  const ran = await runProgram(args, { directory, settings });
  process.stdout.write(ran.stderr + ran.stdout);
  return ran;
}

/** Runs the rotation and ends it with SIGKILL once so many objects are of the new epoch. */
async function killedAt(count: number, backend: Backend, tenant: string): Promise<void> {
  say('$ sealgate key rotate --deep --credentials key.json --keep-key');
  const env = { PATH: process.env['PATH'] ?? '', ...settings };
  const args = ['key', 'rotate', '--deep', '--credentials', 'key.json', '--keep-key'];
  const child = spawn(NODE, [join(PROJECT, 'bin/sealgate.js'), ...args], { cwd: directory, env, stdio: 'inherit' });
  const exited = once(child, 'exit');
  const source = { backend, stateBucket: 'sealgate-state' };
  for (;;) {
    const { epochs } = await countEpochs({ ...source, signal: AbortSignal.timeout(60_000) }, tenant);
    if ((epochs[2]?.current ?? 0) < count) {
      await setTimeout(200);
      continue;
    }
    child.kill('SIGKILL');
    await exited;
    say(`# kill -9; ${JSON.stringify(epochs)}`);
    return;
  }
}

const etags = async (backend: Backend) => {
  const found = new Map<string, string>();
  const source = { backend, signal: AbortSignal.timeout(60_000) };
  for await (const { key, etag } of listObjects(source, { bucket: BUCKET, prefix: 'o/' })) found.set(key, etag);
  return found;
};

const server = await startServe({ directory, settings });
const created = await runProgram(['tenant', 'create', '--bucket', '*', '--json'], { directory, settings });
const tenant = JSON.parse(created.stdout) as { tenant: string; accessKeyId: string; secretAccessKey: string };
await writeFile(join(directory, 'key.json'), created.stdout, { mode: 0o600 });
const s3 = s3Client(server.endpoint, tenant);
await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
async function* keys() {
  for (let index = 0; index < OBJECTS; index += 1) yield `o/${String(index).padStart(6, '0')}`;
}
const began = performance.now();
await eachBounded(keys(), 32, async (Key) => {
  await s3.send(
    new PutObjectCommand({ Bucket: BUCKET, Key, Body: BODY, ContentType: 'text/x-test', Metadata: { key: Key } }),
  );
});
say(`# ${OBJECTS} objects of ${BODY.length} bytes stored in ${((performance.now() - began) / 1000).toFixed(1)} s`);
const backend = await openLocalBackend({ directory: store });
const before = await etags(backend);

const traffic = { puts: 0, gets: 0, errors: [] as string[], lost: 0 };
let stopping = false;
const busy = (async () => {
  for (let number = 1; !stopping; number += 1) {
    const Key = `live/${number % 50}`;
    try {
      await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: String(number) }));
      traffic.puts += 1;
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
      if ((await Body?.transformToString()) !== String(number)) traffic.lost += 1;
      const at = `o/${String((number * 7919) % OBJECTS).padStart(6, '0')}`;
      const old = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: at }));
      const isSame = Buffer.from((await old.Body?.transformToByteArray()) ?? '').equals(BODY);
      if (!isSame || old.Metadata?.['key'] !== at) traffic.lost += 1;
      traffic.gets += 2;
    } catch (error) {
      traffic.errors.push(String(error));
    }
  }
})();

await command(['key', 'rotate', '--deep', '--credentials', 'key.json', '--keep-key', '--dry-run']);
await killedAt(Math.floor(OBJECTS * 0.2), backend, tenant.tenant);
await killedAt(Math.floor(OBJECTS * 0.6), backend, tenant.tenant);
const resumed = performance.now();
await command(['key', 'rotate', '--deep', '--credentials', 'key.json', '--keep-key']);
say(`# that run took ${((performance.now() - resumed) / 1000).toFixed(1)} s`);
stopping = true;
await busy;
say(`# beside it: ${JSON.stringify({ ...traffic, errors: traffic.errors.length })} ${traffic.errors[0] ?? ''}`);
await server.stop();
const last = performance.now();
await command(['key', 'rotate', '--deep', '--credentials', 'key.json', '--keep-key', '--servers-restarted']);
say(`# that run took ${((performance.now() - last) / 1000).toFixed(1)} s`);
await command(['key', 'rotate', '--deep', '--status', '--tenant', tenant.tenant]);
const after = await etags(backend);
const changed = [...before].filter(([key, etag]) => after.get(key) !== etag).length;
say(`# stored bodies of ${before.size} objects compared by the store's ETag: ${changed} changed`);
await backend.close();
const output = join(directory, 'plain');
const args = ['decrypt', '--credentials', 'key.json', '--bucket', BUCKET, '--prefix', 'o/', '--output', output];
const opened = await command(args);
say(`# exit code ${opened.code}`);
await rm(directory, { recursive: true });
