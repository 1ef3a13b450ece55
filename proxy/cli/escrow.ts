/**
 * `sealgate escrow keygen | split | remove` (docs/escrow.md). `keygen` and `split` need no setting and no network: they run where the
 * private key is. `remove` takes the escrow off one tenant, with one of the tenant's own keys.
 *
 * Exit codes: 0 done; 1 it could not be done; 2 the command line was wrong.
 */

import { MAX_ESCROW_SHARES } from '../approval-limits.ts';
import { changeKeyring, openKeyring } from '../keyring/admin/change-keyring.ts';
import { withEscrowSlot } from '../keyring/admin/edit-slots.ts';
import { type EscrowPrivateKey, generateEscrowKey, renderEscrowKeyFile } from '../keyring/slots/escrow-key.ts';
import { type EscrowSplit, isEscrowSplit, splitEscrowKey } from '../keyring/slots/escrow-shares.ts';
import { slotsOfType } from '../keyring/slots/slot-types.ts';
import { timestamp } from '../keyring/state/fields.ts';
import { KEY_COMMAND_TIMEOUT_MS } from '../limits.ts';
import { basisOf, requireCommandApproval } from './command-approval.ts';
import { type Output, parseCommand, runNamed, shape, UsageError } from './command-line.ts';
import { readEscrowKey } from './escrow-key-file.ts';
import { readCaller } from './key-caller.ts';
import { openKeyringCommand } from './keyring-command.ts';
import { PROCESS_OUTPUT } from './process-output.ts';
import { writeSecretFile } from './secret-file.ts';

export const ESCROW_USAGE = `Usage:
  sealgate escrow keygen --out FILE [--split M/N] [--json]
  sealgate escrow split  --key FILE --split M/N --out FILE [--json]
  sealgate escrow remove [--credentials FILE] [--reason TEXT]

keygen  makes a key pair: the private key goes into FILE, for its owner only, the public key is printed.
        Set SEALGATE_ESCROW_PUBLIC_KEY to it, and keep FILE offline.
        --split  N files instead, FILE.1 to FILE.N, with a share each: M of them together are the private key, and fewer are
                 worth nothing. The private key itself is written nowhere
split   the same of a private key that is there. Destroy its file afterwards
remove  takes the escrow off the tenant whose key is given. Unset SEALGATE_ESCROW_PUBLIC_KEY first, or it comes back.
        --credentials  JSON with accessKeyId and secretAccessKey, - for standard input;
                       else AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY

Exit codes: 0 done; 1 it could not be done, and standard error says why; 2 the command line was wrong.
`;

interface EscrowOptions extends Output {
  readonly environment: NodeJS.ProcessEnv;
}

/** `args`: what follows `escrow`. Returns the exit code. */
export function escrowCommand(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  output: Output = PROCESS_OUTPUT,
): Promise<number> {
  const o = { ...output, environment };
  return runNamed(args, { keygen, split, remove }, o, { command: 'escrow', usage: ESCROW_USAGE });
}

const KEYGEN = shape([], { out: { type: 'string' }, split: { type: 'string' }, json: { type: 'boolean' } });

async function keygen(args: readonly string[], o: EscrowOptions): Promise<number> {
  const { out, split: given, json = false } = parseCommand(args, KEYGEN).values;
  if (out === undefined || out === '') throw new UsageError('--out is missing: name the file for the private key.');
  const wanted = given === undefined ? undefined : splitOf(given);
  const key = generateEscrowKey();
  if (wanted !== undefined) return writeShares(key, { wanted, out, json }, o);
  await writeSecretFile(out, renderEscrowKeyFile(key, timestamp(new Date())));
  const publicKey = key.publicKey.toString('base64');
  key.secret.fill(0);
  o.out(json === true ? JSON.stringify({ publicKey }) : `SEALGATE_ESCROW_PUBLIC_KEY=${publicKey}`);
  if (json !== true) {
    o.err(`The private key is in ${out}. It opens every tenant that is escrowed to it: keep it offline.`);
  }
  return 0;
}

const SPLIT = shape([], {
  key: { type: 'string' },
  split: { type: 'string' },
  out: { type: 'string' },
  json: { type: 'boolean' },
});

async function split(args: readonly string[], o: EscrowOptions): Promise<number> {
  const { key: file, split: given, out, json = false } = parseCommand(args, SPLIT).values;
  if (file === undefined) throw new UsageError('--key is missing: name the file of the private key.');
  if (out === undefined || out === '') throw new UsageError('--out is missing: name the files for the shares.');
  if (given === undefined) throw new UsageError('--split is missing: how many of how many shares, such as 2/3.');
  const wanted = splitOf(given);
  const code = await writeShares(await readEscrowKey(file), { wanted, out, json }, o);
  if (!json) o.err(`The private key is in ${file} as before: destroy that file once the shares are where they belong.`);
  return code;
}

/** `2/3`. @throws UsageError */
function splitOf(given: string): EscrowSplit {
  const [, threshold, shares] = /^(\d{1,2})\/(\d{1,2})$/.exec(given) ?? [];
  const wanted = { threshold: Number(threshold), shares: Number(shares) };
  if (isEscrowSplit(wanted)) return wanted;
  throw new UsageError(`--split is M/N, such as 2/3: M from 2 to N, and N up to ${MAX_ESCROW_SHARES}.`);
}

/** Wipes the key. */
async function writeShares(
  key: EscrowPrivateKey,
  { wanted, out, json }: { wanted: EscrowSplit; out: string; json: boolean },
  o: Output,
): Promise<number> {
  const publicKey = key.publicKey.toString('base64');
  const texts = await splitEscrowKey(key, wanted, timestamp(new Date())).finally(() => key.secret.fill(0));
  const files = texts.map((_, at) => `${out}.${at + 1}`);
  for (const [at, text] of texts.entries()) await writeSecretFile(files[at] ?? '', text);
  const { threshold, shares } = wanted;
  o.out(json ? JSON.stringify({ publicKey, threshold, files }) : `SEALGATE_ESCROW_PUBLIC_KEY=${publicKey}`);
  if (!json) {
    o.err(
      `The shares are in ${files[0]} to ${files.at(-1)}. Any ${threshold} of the ${shares} open every tenant that is escrowed:`,
    );
    o.err('give each to another person, and keep no two together.');
  }
  return 0;
}

const REMOVE = shape([], { credentials: { type: 'string' }, reason: { type: 'string' } });

async function remove(args: readonly string[], o: EscrowOptions): Promise<number> {
  const { environment } = o;
  const { credentials, reason } = parseCommand(args, REMOVE).values;
  return openKeyringCommand(environment, async (deps) => {
    const signal = AbortSignal.timeout(KEY_COMMAND_TIMEOUT_MS);
    const { key } = await readCaller(deps, { file: credentials, environment }, signal);
    const opened = await openKeyring(deps, key, signal);
    const { tenant } = opened.keyring;
    const about = { action: 'escrow-remove', tenant, basis: basisOf(opened.keyring), parameters: {}, reason } as const;
    await requireCommandApproval(deps, about, signal);
    let removed = false;
    await changeKeyring(
      deps,
      opened,
      (keyring) => {
        removed = slotsOfType(keyring, 'escrow').length > 0;
        return removed ? withEscrowSlot(keyring, undefined) : undefined;
      },
      { signal, event: { kind: 'escrow-removed', detail: 'By a key of the tenant', tenant } },
    );
    o.out(removed ? `${tenant} has no escrow any more.` : `${tenant} had no escrow.`);
    if (removed) o.err('Older copies of the keyring still hold it: only a deep rotation makes them worthless.');
    return 0;
  });
}
