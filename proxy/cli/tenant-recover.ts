/**
 * `sealgate tenant recover`: a new API key for a tenant whose own are lost, by the escrow private key (docs/escrow.md). The
 * seal keys are needed too: they sign the keyring.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { S3Error } from '../errors.ts';
import { KeyringConflict, type KeyringDeps } from '../keyring/change-keyring.ts';
import { KeyringMalformed, timestamp } from '../keyring/document.ts';
import { type EscrowPrivateKey, InvalidEscrowKey, parseEscrowKeyFile } from '../keyring/escrow-key.ts';
import { InvalidGrant, parseGrant } from '../keyring/grants.ts';
import { isTenantId } from '../keyring/ids.ts';
import { KeyringTampered, UnknownTenant } from '../keyring/records.ts';
import { NotRecoverable, recoverTenant } from '../keyring/recover-tenant.ts';
import { SecretFileError, writeSecretFile } from './secret-file.ts';

export const RECOVER_USAGE = `Usage:
  sealgate tenant recover TENANT --escrow-key FILE --bucket NAME|'*' [--bucket NAME ...] [--prefix P] [--read-only]
                          [--label L] [--expires TIME] [--out FILE] [--json]

Makes a new API key for a tenant that was escrowed, with the private key of \`sealgate escrow keygen\`.
--escrow-key  the private key's file
--bucket, --prefix, --read-only, --label  as in \`sealgate tenant create\`
--expires     when the new key ends, such as 2027-01-31T00:00:00Z
--out         writes the credentials there as JSON, for the owner only, instead of printing them
`;

export interface RecoverOptions {
  readonly deps: KeyringDeps;
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
}

class UsageError extends Error {}

/** `args`: what follows `tenant recover`. Returns the exit code. */
export async function tenantRecover(args: readonly string[], o: RecoverOptions): Promise<number> {
  try {
    return await recover(args, o);
  } catch (error) {
    return report(error, o);
  }
}

async function recover(args: readonly string[], { deps, out, err }: RecoverOptions): Promise<number> {
  const { values, positionals } = parse(args);
  const [tenant = '', ...others] = positionals;
  if (!isTenantId(tenant) || others.length > 0) throw new UsageError('Name one TENANT: 24 hex digits.');
  const file = values['escrow-key'];
  if (file === undefined) throw new UsageError('--escrow-key is missing: name the file of the private key.');
  const buckets = values.bucket ?? [];
  if (buckets.length === 0) throw new UsageError("--bucket is missing: name the buckets the key may use, or '*'.");
  const access = values['read-only'] === true ? 'read-only' : 'read-write';
  const grants = [...new Set(buckets)].map((bucket) => parseGrant({ bucket, prefix: values.prefix ?? '', access }));
  const expires = values.expires === undefined ? null : expiry(values.expires, deps.now());
  const key = await readEscrowKey(file);
  const label = values.label ?? 'recovered';
  const signal = AbortSignal.timeout(RECOVER_TIMEOUT_MS);
  const made = await recoverTenant(deps, { tenant, key, grants, label, expires }, signal);
  key.secret.fill(0);
  const credentials = JSON.stringify({ ...made });
  if (values.out !== undefined) {
    await writeSecretFile(values.out, `${credentials}\n`).catch((error: unknown) => {
      // The key is made and would be lost: it is shown after all.
      out(credentials);
      throw error;
    });
    out(`credentials in     ${values.out}`);
  } else if (values.json === true) {
    out(credentials);
  } else {
    out(`tenant             ${made.tenant}`);
    out(`access key id      ${made.accessKeyId}`);
    out(`secret access key  ${made.secretAccessKey}`);
    err('The secret access key is shown this once and stored nowhere. The keys that the tenant had are as they were:');
    err('revoke those that are lost.');
  }
  return 0;
}

const RECOVER_TIMEOUT_MS = 60_000;

function parse(args: readonly string[]) {
  try {
    const text = { type: 'string' } as const;
    const flag = { type: 'boolean' } as const;
    return parseArgs({
      args: [...args],
      options: {
        'escrow-key': text,
        bucket: { type: 'string', multiple: true },
        prefix: text,
        'read-only': flag,
        label: text,
        expires: text,
        out: text,
        json: flag,
      },
      strict: true,
      allowPositionals: true,
    });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : 'Wrong arguments.', { cause });
  }
}

function expiry(text: string, now: Date): string {
  const time = timestamp(new Date(text));
  if (time !== '' && Date.parse(time) > now.getTime()) return time;
  throw new UsageError('--expires is a time to come, such as 2027-01-31T00:00:00Z.');
}

async function readEscrowKey(path: string): Promise<EscrowPrivateKey> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new InvalidEscrowKey(
      `${path} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown failure'}).`,
    );
  }
  return parseEscrowKeyFile(text);
}

const REFUSALS = [
  NotRecoverable,
  UnknownTenant,
  KeyringTampered,
  KeyringConflict,
  S3Error,
  InvalidEscrowKey,
  SecretFileError,
];

function report(error: unknown, { err }: RecoverOptions): number {
  if (error instanceof UsageError) {
    err(`sealgate tenant recover: ${error.message}`);
    err(RECOVER_USAGE.trimEnd());
    return 2;
  }
  if (error instanceof InvalidGrant) {
    err(`sealgate tenant recover: ${error.message}`);
    return 2;
  }
  if (error instanceof KeyringMalformed) {
    err('sealgate tenant recover: a label or prefix has characters that are not accepted, or there are too many keys.');
    return 2;
  }
  if (!REFUSALS.some((kind) => error instanceof kind)) throw error;
  err(`sealgate tenant recover: ${(error as Error).message}`);
  return 1;
}
