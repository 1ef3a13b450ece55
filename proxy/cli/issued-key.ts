/**
 * Handing out a key: printed once, or written to a file for its owner alone. Either is done before the key counts, since
 * afterwards it may be the only one: a process that is killed, or whose output nobody reads, must not take it along. A file is
 * begun before anything is changed, so that a key is not made in vain, and appears whole under its name.
 */
import { randomBytes } from 'node:crypto';
import { link, open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ChangeUncertain } from '../keyring/admin/change-keyring.ts';
import type { IssuedKey, KeepKey } from '../keyring/admin/key-admin.ts';
import type { HandingOutput } from './command-line.ts';
import { SecretFileError } from './secret-file.ts';

interface KeySink {
  /** Before anything is changed. What is printed has left the process then; what goes into a file is on the disk. */
  keep(key: IssuedKey): Promise<void>;
  /** The key counts, or may. */
  deliver(): Promise<void>;
  /** Nothing came of it. */
  abandon(): Promise<void>;
}

export interface HandOutOptions {
  /** A file; undefined: standard output. */
  readonly path: string | undefined;
  readonly overwrite: boolean;
  readonly json: boolean;
  /** Members of the caller's credentials file that are about the endpoint and not the key: they go into the new one. */
  readonly kept: Readonly<Record<string, unknown>>;
  /** The secret of a key that its owner has already: stored beside it, and not shown. */
  readonly knownSecret?: string | undefined;
  readonly output: HandingOutput;
}

/**
 * Runs what makes a key, which is to call `keep` before the key counts; hands the key out, or takes it back when nothing was
 * changed. @throws SecretFileError when the file is there already and is not to be replaced, or the key cannot be written
 */
export async function handOut<T>(o: HandOutOptions, make: (keep: KeepKey) => Promise<T>): Promise<T> {
  const sink = o.path === undefined ? printing(o) : await toFile(o, o.path);
  let made: T;
  let kept: IssuedKey | undefined;
  try {
    made = await make(async (key) => {
      kept = key;
      await sink.keep(key);
    });
  } catch (error) {
    if (error instanceof ChangeUncertain && kept !== undefined) {
      await sink.deliver();
      o.output.err(whetherItCounts(kept));
    } else await sink.abandon();
    throw error;
  }
  await sink.deliver();
  return made;
}

/** A key that is only given another access key id is listed either way. */
function whetherItCounts({ tenant, slot, secretAccessKey }: IssuedKey): string {
  return secretAccessKey === undefined
    ? `Keep it until a request with the new access key id of key ${slot} shows whether it counts.`
    : `If 'sealgate key list ${tenant}' shows key ${slot}, it is in force: keep it.`;
}

function printing({ json, output }: HandOutOptions): KeySink {
  let printed: IssuedKey | undefined;
  return {
    async keep(key) {
      await output.handOver(json ? JSON.stringify(key) : inLines(key));
      printed = key;
    },
    async deliver() {
      if (json || printed?.secretAccessKey === undefined) return;
      output.err(
        'The secret access key is shown this once and stored nowhere. Keep it safe: when every key of a tenant is',
      );
      output.err('lost, its data is lost with them, and nobody can bring it back.');
    },
    async abandon() {
      if (printed !== undefined) output.err('What was printed is void: nothing was changed.');
    },
  };
}

function inLines({ tenant, slot, accessKeyId, secretAccessKey }: IssuedKey): string {
  const lines = [`tenant             ${tenant}`, `key                ${slot}`, `access key id      ${accessKeyId}`];
  return [...lines, ...(secretAccessKey === undefined ? [] : [`secret access key  ${secretAccessKey}`])].join('\n');
}

async function toFile(o: HandOutOptions, path: string): Promise<KeySink> {
  if (!o.overwrite && (await exists(path))) {
    throw new SecretFileError(`${path} is already there, and is not overwritten (--overwrite does).`);
  }
  const aside = `${path}.${randomBytes(6).toString('hex')}.new`;
  const file = await guarded(path, () => open(aside, 'wx', 0o600));
  let kept: IssuedKey | undefined;
  return {
    async keep(key) {
      kept = key;
      const secretAccessKey = key.secretAccessKey ?? o.knownSecret;
      const content = `${JSON.stringify({ ...o.kept, ...key, secretAccessKey }, null, 2)}\n`;
      await guarded(path, async () => {
        await file.writeFile(content);
        await file.sync();
        await syncDirectory(path);
      });
    },
    async deliver() {
      await file.close();
      // A link fails when the name is taken; a rename would replace.
      const place = async () => (o.overwrite ? rename(aside, path) : link(aside, path).then(() => unlink(aside)));
      await guarded(path, place, ` The key counts, and is in ${aside}.`);
      const { tenant, slot } = kept ?? {};
      o.output.out(
        o.json ? JSON.stringify({ tenant, slot, file: path }) : `key ${slot} of tenant ${tenant} is in ${path}`,
      );
    },
    async abandon() {
      await file.close();
      await unlink(aside);
    },
  };
}

/** So that a crash of the machine leaves the file its name. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return open(path, 'r').then(
    async (file) => {
      await file.close();
      return true;
    },
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}

async function guarded<T>(path: string, work: () => Promise<T>, more = ''): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw SecretFileError.of(path, cause, more);
  }
}

/** What a credentials file says beside the key: endpoint, bucket. */
export async function keptMembers(file: string | undefined): Promise<Readonly<Record<string, unknown>>> {
  if (file === undefined || file === '-') return {};
  try {
    const { endpoint, bucket } = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    return { ...(endpoint !== undefined && { endpoint }), ...(bucket !== undefined && { bucket }) };
  } catch {
    return {};
  }
}
