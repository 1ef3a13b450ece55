/**
 * Handing out a key: printed once, or written to a file for its owner alone. The file is begun before anything is changed, so
 * that a key is not made in vain; it holds the key before the key counts, so that a crash does not take the only one; and it
 * appears whole under its name.
 */
import { randomBytes } from 'node:crypto';
import { link, open, readFile, rename, unlink } from 'node:fs/promises';
import type { IssuedKey } from '../keyring/key-admin.ts';
import type { Output } from './command-line.ts';
import { SecretFileError } from './secret-file.ts';

export interface KeySink {
  /** Before anything is changed: what goes into a file is on the disk already when the key counts. */
  keep(key: IssuedKey, knownSecret?: string): Promise<void>;
  /** Shows the key, or stores it; `knownSecret`, that of a key which its owner has already, is stored and not shown. */
  deliver(key: IssuedKey, knownSecret?: string): Promise<void>;
  /** Nothing came of it. */
  abandon(): Promise<void>;
}

export interface SinkOptions {
  readonly path: string | undefined;
  readonly overwrite: boolean;
  readonly json: boolean;
  /** Members of the caller's credentials file that are about the endpoint and not the key: they go into the new one. */
  readonly kept: Readonly<Record<string, unknown>>;
  readonly output: Output;
}

/** @throws SecretFileError when the file is there already and is not to be replaced, or cannot be written */
export async function openSink(o: SinkOptions): Promise<KeySink> {
  return o.path === undefined ? printing(o) : toFile(o, o.path);
}

function printing({ json, output }: SinkOptions): KeySink {
  return {
    async keep() {},
    async deliver(key) {
      if (json) return output.out(JSON.stringify(key));
      output.out(`tenant             ${key.tenant}`);
      output.out(`key                ${key.slot}`);
      output.out(`access key id      ${key.accessKeyId}`);
      if (key.secretAccessKey === undefined) return;
      output.out(`secret access key  ${key.secretAccessKey}`);
      output.err(
        'The secret access key is shown this once and stored nowhere. Keep it safe: when every key of a tenant is',
      );
      output.err('lost, its data is lost with them, and nobody can bring it back.');
    },
    async abandon() {},
  };
}

async function toFile(o: SinkOptions, path: string): Promise<KeySink> {
  if (!o.overwrite && (await exists(path))) {
    throw new SecretFileError(`${path} is already there, and is not overwritten (--overwrite does).`);
  }
  const aside = `${path}.${randomBytes(6).toString('hex')}.new`;
  const file = await guarded(path, () => open(aside, 'wx', 0o600));
  const write = async (key: IssuedKey, knownSecret: string | undefined) => {
    const secretAccessKey = key.secretAccessKey ?? knownSecret;
    const content = Buffer.from(`${JSON.stringify({ ...o.kept, ...key, secretAccessKey }, null, 2)}\n`);
    await file.truncate(0);
    await file.write(content, 0, content.length, 0);
    await file.sync();
  };
  return {
    keep: (key, knownSecret) => guarded(path, () => write(key, knownSecret)),
    async deliver(key, knownSecret) {
      try {
        await guarded(path, async () => {
          await write(key, knownSecret);
          await file.close();
          // A link fails when the name is taken; a rename would replace.
          if (o.overwrite) return rename(aside, path);
          await link(aside, path);
          await unlink(aside);
        });
      } catch (error) {
        // The key is made and would be lost: it is shown after all.
        o.output.out(JSON.stringify(key));
        throw error;
      }
      const { tenant, slot } = key;
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

async function exists(path: string): Promise<boolean> {
  return open(path, 'r').then(
    async (file) => {
      await file.close();
      return true;
    },
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}

async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why =
      code === 'EEXIST' ? 'is already there, and is not overwritten' : `cannot be written (${code ?? 'unknown'})`;
    throw new SecretFileError(`${path} ${why}.`, { cause });
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
