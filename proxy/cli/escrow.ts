/**
 * `sealgate escrow keygen | remove` (docs/escrow.md). `keygen` needs no setting and no network: it runs where the private key
 * is to stay. `remove` takes the escrow off one tenant, with one of the tenant's own keys.
 *
 * Exit codes: 0 done; 1 it could not be done; 2 the command line was wrong.
 */
import { parseArgs } from 'node:util';
import { S3Error } from '../errors.ts';
import { changeKeyring, KeyringConflict, openKeyring } from '../keyring/change-keyring.ts';
import { timestamp } from '../keyring/document.ts';
import { generateEscrowKey, renderEscrowKeyFile } from '../keyring/escrow-key.ts';
import { KeyringTampered } from '../keyring/records.ts';
import { NoCallerSecret } from './caller-secret.ts';
import { readCaller } from './key-caller.ts';
import { openKeyringCommand } from './keyring-command.ts';
import { SecretFileError, writeSecretFile } from './secret-file.ts';

export const ESCROW_USAGE = `Usage:
  sealgate escrow keygen --out FILE [--json]
  sealgate escrow remove [--credentials FILE]

keygen  makes a key pair: the private key goes into FILE, for its owner only, the public key is printed.
        Set SEALGATE_ESCROW_PUBLIC_KEY to it, and keep FILE offline.
remove  takes the escrow off the tenant whose key is given. Unset SEALGATE_ESCROW_PUBLIC_KEY first, or it comes back.
        --credentials  JSON with accessKeyId and secretAccessKey, - for standard input;
                       else AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
`;

class UsageError extends Error {}

export async function escrowCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const [name, ...rest] = args;
  try {
    if (name === 'keygen') return await keygen(rest);
    if (name === 'remove') return await remove(rest, environment);
    throw new UsageError(name === undefined ? 'Say what to do.' : `Unknown command '${name}'.`);
  } catch (error) {
    return report(error);
  }
}

async function keygen(args: readonly string[]): Promise<number> {
  const { out, json } = parse(args, { out: { type: 'string' }, json: { type: 'boolean' } }).values;
  if (out === undefined || out === '') throw new UsageError('--out is missing: name the file for the private key.');
  const key = generateEscrowKey();
  await writeSecretFile(out, renderEscrowKeyFile(key, timestamp(new Date())));
  const publicKey = key.publicKey.toString('base64');
  key.secret.fill(0);
  process.stdout.write(
    json === true ? `${JSON.stringify({ publicKey })}\n` : `SEALGATE_ESCROW_PUBLIC_KEY=${publicKey}\n`,
  );
  if (json !== true) {
    process.stderr.write(
      `The private key is in ${out}. It opens every tenant that is escrowed to it: keep it offline.\n`,
    );
  }
  return 0;
}

async function remove(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const { credentials } = parse(args, { credentials: { type: 'string' } }).values;
  return openKeyringCommand(environment, async (deps) => {
    const signal = AbortSignal.timeout(REMOVE_TIMEOUT_MS);
    const { key } = await readCaller(deps, { file: credentials, environment }, signal);
    const opened = await openKeyring(deps, key, signal);
    const { tenant } = opened.keyring;
    let removed = false;
    await changeKeyring(
      deps,
      opened,
      (keyring) => {
        removed = keyring.escrow !== null;
        return removed ? { ...keyring, escrow: null } : undefined;
      },
      signal,
    );
    if (removed) deps.emit({ kind: 'escrow-removed', detail: 'By a key of the tenant', tenant });
    process.stdout.write(removed ? `${tenant} has no escrow any more.\n` : `${tenant} had no escrow.\n`);
    if (removed) {
      process.stderr.write('Older copies of the keyring still hold it: only a deep rotation makes them worthless.\n');
    }
    return 0;
  });
}

const REMOVE_TIMEOUT_MS = 60_000;

type Options = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>;

function parse<const T extends Options>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : 'Wrong arguments.', { cause });
  }
}

function report(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`sealgate escrow: ${error.message}\n${ESCROW_USAGE}`);
    return 2;
  }
  const known = [SecretFileError, NoCallerSecret, KeyringTampered, KeyringConflict, S3Error];
  if (!known.some((kind) => error instanceof kind)) throw error;
  process.stderr.write(`sealgate escrow: ${(error as Error).message}\n`);
  return 1;
}
