/** `sealgate decrypt`: the way out without a server, and without seal keys. See docs/offline-decrypt.md. */
import { mkdir } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import type { Backend } from '../backend/backend.ts';
import { NO_CAPABILITIES } from '../backend/capabilities.ts';
import { openBackend } from '../backend/open-backend.ts';
import { kms as kmsConfig } from '../config/kms-config.ts';
import { readSettings } from '../config/settings.ts';
import { readSmallFile } from '../config/small-file.ts';
import { parseStoreConfig, type StoreConfig } from '../config/store-config.ts';
import { KeyError } from '../keyring/admin/key-errors.ts';
import { StateStore } from '../keyring/state/state.ts';
import { openKms } from '../kms/open-kms.ts';
import { MAX_HEADERS_FILE_BYTES } from '../limits.ts';
import { objectStore, type StoreContext, storeContext } from '../object/context.ts';
import { retryWhenChanged } from '../object/retry-when-changed.ts';
import { DESCRIPTION_SUFFIX, decryptMany, type Outcome } from '../offline/decrypt-many.ts';
import { type OpenedObject, openObject, reasonOf, writeDescription, writeObject } from '../offline/decrypt-object.ts';
import { openFileBackend } from '../offline/file-backend.ts';
import { findKeyring } from '../offline/find-keyring.ts';
import { KeyringUnopened, type OfflineTenant, openOffline, openOfflineByEscrow } from '../offline/open-keyring.ts';
import { parseStoredHeaders } from '../offline/stored-headers.ts';
import { FileExists } from '../offline/write-aside.ts';
import { NoCallerSecret, readCallerSecret } from './caller-secret.ts';
import { UsageError } from './command-line.ts';
import { DECRYPT_USAGE, type DecryptCommand, parseDecryptOptions } from './decrypt-options.ts';
import { readEscrowKeyFrom } from './escrow-key-file.ts';
import { quickstartSettings } from './quickstart.ts';

/** Where a command reads and writes. */
export interface CommandStreams {
  readonly stdin: AsyncIterable<Buffer>;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** @returns the exit code */
export async function decryptCommand(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  io: CommandStreams = process,
): Promise<number> {
  let command: DecryptCommand;
  try {
    command = parseDecryptOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.stderr.write(`sealgate decrypt: ${error.message}\n\n${DECRYPT_USAGE}`);
    return 2;
  }
  const interrupted = new AbortController();
  const stop = () => interrupted.abort(new Error('interrupted'));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    return await run(command, environment, { io, signal: interrupted.signal });
  } catch (error) {
    if (!REFUSALS.some((kind) => error instanceof kind)) throw error;
    io.stderr.write(`sealgate decrypt: ${(error as Error).message}\n`);
    return 1;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** No key, no keyring, or one that does not open. */
const REFUSALS = [KeyringUnopened, NoCallerSecret, KeyError];

async function run(
  command: DecryptCommand,
  environment: NodeJS.ProcessEnv,
  o: { io: CommandStreams; signal: AbortSignal },
): Promise<number> {
  const { io, signal } = o;
  const config = storeConfig(command, environment);
  const store = config === undefined ? undefined : await openBackend(config);
  const { source } = command;
  const backend = source.kind === 'file' ? await openDownloaded(source) : store;
  try {
    if (backend === undefined) throw new Error('no store is configured');
    if (config?.state?.bucket === command.bucket) throw new Error('the state bucket holds no objects of tenants');
    const opened = await openTenant(command, environment, { config, store, io }, signal);
    if (!opened.operatorChecked)
      note(io, "no seal key is configured: the operator's MAC of the keyring is not checked");
    const legacy = config?.legacy ?? { kind: 'allow' };
    const objects = objectStore({
      backend,
      capabilities: NO_CAPABILITIES,
      legacy,
      bestEffortConditions: false,
      record: () => {},
      now: () => new Date(),
    });
    const context = storeContext(objects, { tenant: opened.tenant, signal });
    return source.kind === 'many'
      ? await many(context, command, { prefix: source.prefix, io })
      : await single(context, command, source, io);
  } finally {
    await store?.close();
  }
}

/** None is needed for a downloaded object with a copy of the keyring. */
function storeConfig(command: DecryptCommand, environment: NodeJS.ProcessEnv): StoreConfig | undefined {
  const settings = readSettings(environment);
  if (settings['SEALGATE_BACKEND'] !== undefined) return parseStoreConfig(settings);
  if (command.source.kind === 'file' && command.keyring !== undefined) return undefined;
  return parseStoreConfig({ ...quickstartSettings(), ...settings });
}

async function openDownloaded(source: { input: string; head: string }): Promise<Backend> {
  const head = await readSmallFile(source.head, { maxBytes: MAX_HEADERS_FILE_BYTES, Failure: Error });
  return openFileBackend({ path: source.input, headers: parseStoredHeaders(head.toString('utf8')) });
}

async function openTenant(
  command: DecryptCommand,
  environment: NodeJS.ProcessEnv,
  o: { config: StoreConfig | undefined; store: Backend | undefined; io: CommandStreams },
  signal: AbortSignal,
): Promise<OfflineTenant> {
  const sealKeys = o.config?.sealKeys;
  const { config, store: backend } = o;
  // With a copy of the keyring nothing is read from the state bucket.
  const isStateKnown = config?.state !== undefined && backend !== undefined;
  const state = isStateKnown ? new StateStore({ backend, ...config.state, region: config.region }) : undefined;
  const source = { file: command.keyring, tenant: command.tenant, state, sealKeys };
  if (command.escrow !== undefined) {
    const key = await readEscrowKeyFrom(command.escrow);
    const body = await findKeyring({ ...source, accessKeyId: undefined }, signal);
    return openOfflineByEscrow({ body, key, sealKeys }).finally(() => key.secret.fill(0));
  }
  const { accessKeyId, secretAccessKey } = await readCallerSecret(command.credentials, environment, o.io.stdin);
  const body = await findKeyring({ ...source, accessKeyId }, signal);
  const kms = openKms(kmsConfig(readSettings(environment)));
  try {
    return await openOffline({ body, secretAccessKey, sealKeys, kms }, signal);
  } finally {
    await kms.close();
  }
}

async function single(
  context: StoreContext,
  command: DecryptCommand,
  source: { key: string; versionId?: string | undefined },
  io: CommandStreams,
): Promise<number> {
  const { bucket, output, json } = command;
  const { key, versionId } = source;
  try {
    const kind = await retryWhenChanged(async () => {
      const object = await openObject(context, { bucket, key, versionId });
      await put(command, object, io);
      return object.description.kind;
    });
    const outcome: Outcome = { kind: kind === 'sealed' ? 'opened' : kind, key, path: output, renamed: false };
    if (output === '-') return 0;
    print(io, outcome, { json });
    return 0;
  } catch (error) {
    context.signal.throwIfAborted();
    if (error instanceof FileExists && command.skipExisting) return 0;
    print(io, { kind: 'failed', key, reason: reasonOf(error) }, { json: json && output !== '-' });
    return 1;
  }
}

async function put(command: DecryptCommand, object: OpenedObject, io: CommandStreams): Promise<void> {
  const { output, force } = command;
  if (output !== '-') await writeObject(output, object, { replace: force });
  else for await (const chunk of object.chunks) await writeTo(io.stdout, chunk);
  if (command.metadata && output !== '-') {
    await writeDescription(output + DESCRIPTION_SUFFIX, object, { replace: true });
  }
}

function writeTo(stream: Writable, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

async function many(
  context: StoreContext,
  command: DecryptCommand,
  { prefix, io }: { prefix: string; io: CommandStreams },
): Promise<number> {
  const { bucket, output, force, skipExisting, skipForeign, metadata, json } = command;
  await mkdir(output, { recursive: true, mode: 0o700 });
  const counts = { opened: 0, legacy: 0, skipped: 0, failed: 0 };
  const o = { bucket, prefix, directory: output, replace: force, skipExisting, skipForeign, describe: metadata };
  await decryptMany(context, o, (outcome) => {
    counts[outcome.kind] += 1;
    print(io, outcome, { json });
  });
  if (json) io.stdout.write(`${JSON.stringify({ summary: counts })}\n`);
  else {
    const { opened, legacy, skipped, failed } = counts;
    io.stdout.write(`opened ${opened}, legacy ${legacy}, skipped ${skipped}, failed ${failed}\n`);
  }
  return counts.failed === 0 ? 0 : 1;
}

/** People see what is unusual; programs see everything. */
function print(io: CommandStreams, outcome: Outcome, o: { json: boolean }): void {
  if (o.json) {
    io.stdout.write(`${JSON.stringify(outcome)}\n`);
    return;
  }
  const name = JSON.stringify(outcome.key);
  if (outcome.kind === 'failed') io.stderr.write(`failed    ${name}: ${outcome.reason}\n`);
  if (outcome.kind === 'legacy') note(io, `${name} was stored unencrypted and is copied as it is`);
  if ((outcome.kind === 'opened' || outcome.kind === 'legacy') && outcome.renamed) {
    note(io, `${name} is written as ${JSON.stringify(outcome.path)}`);
  }
}

function note(io: CommandStreams, text: string): void {
  io.stderr.write(`note      ${text}\n`);
}
