/** Sealgate from this tree, as `sealgate serve` runs it once it is installed, with a state, a tenant and a seal key of its own. */
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { freePort } from '../../helpers/child-server.ts';
import type { SigningCredentials } from '../../helpers/raw-client.ts';
import type { Certificate } from '../tls.ts';
import type { BackendUnderTest } from './backend.ts';
import type { Children } from './children.ts';
import { compileInto } from './compiled.ts';
import { type Target, targetOnPort, untilAnswering } from './target.ts';

/** One program, one tenant and one seal key. Trees may differ in how they keep keys and objects, so each has its own. */
export interface Installation {
  readonly program: string;
  readonly bucket: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly credentials: SigningCredentials;
}

export async function installSealgate(
  backend: BackendUnderTest,
  o: {
    /** Names the buckets of its state and of its objects. */
    readonly name: string;
    readonly directory: string;
    readonly children: Children;
    /** Another checkout. */
    readonly root?: string;
  },
): Promise<Installation> {
  const settings = {
    SEALGATE_BACKEND: backend.url,
    SEALGATE_BACKEND_ACCESS_KEY_ID: backend.credentials.accessKeyId,
    SEALGATE_BACKEND_SECRET_ACCESS_KEY: backend.credentials.secretAccessKey,
    SEALGATE_STATE: `bench-${o.name}-state`,
    SEALGATE_SEAL_KEYS: SealKeys.generate(),
  };
  const env = { PATH: process.env['PATH'] ?? '', ...settings };
  const program = await compileInto(o.directory, o.children, o.root);
  const args = [program, 'tenant', 'create', '--bucket', '*', '--json'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env, cwd: o.directory });
  const { accessKeyId, secretAccessKey } = JSON.parse(stdout) as SigningCredentials;
  return { program, bucket: `bench-${o.name}`, settings, credentials: { accessKeyId, secretAccessKey } };
}

export async function startSealgate(o: {
  readonly name: string;
  readonly children: Children;
  readonly installation: Installation;
  readonly backend: BackendUnderTest;
  readonly directory: string;
  readonly tls?: Certificate;
  /** Where a processor profile is written when it ends. */
  readonly profile?: string | undefined;
  /** Other settings, by their SEALGATE_ names. */
  readonly settings?: Readonly<Record<string, string>>;
}): Promise<Target> {
  const [port, opsPort] = [await freePort(), await freePort()];
  if (o.profile !== undefined) mkdirSync(o.profile, { recursive: true });
  const log = join(o.directory, `${o.name}.log`);
  const profiling = o.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${o.profile}`];
  const tls = o.tls === undefined ? {} : { SEALGATE_TLS_CERT: o.tls.certificate, SEALGATE_TLS_KEY: o.tls.key };
  const child = await o.children.start({
    command: process.execPath,
    args: [...profiling, o.installation.program, 'serve'],
    env: {
      ...o.installation.settings,
      SEALGATE_LISTEN: `127.0.0.1:${port}`,
      SEALGATE_OPS_LISTEN: `127.0.0.1:${opsPort}`,
      // What a process does. The load and the store take the other cores.
      SEALGATE_WORKERS: '1',
      ...tls,
      ...o.settings,
    },
    cwd: o.directory,
    log,
  });
  if (child === undefined) throw new Error('sealgate could not be started');
  await untilAnswering(`http://127.0.0.1:${opsPort}/readyz`, { what: o.name, log });
  const signing = { credentials: o.installation.credentials, region: o.backend.region };
  return targetOnPort({ name: o.name, port, tls: o.tls, bucket: o.installation.bucket, pid: child.pid, signing });
}
