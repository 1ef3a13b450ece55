/**
 * `sealgate escrow keygen | remove` (docs/escrow.md). `keygen` needs no setting and no network: it runs where the private key
 * is to stay. `remove` takes the escrow off one tenant, with one of the tenant's own keys.
 *
 * Exit codes: 0 done; 1 it could not be done; 2 the command line was wrong.
 */
import { changeKeyring, openKeyring } from '../keyring/admin/change-keyring.ts';
import { withEscrowSlot } from '../keyring/admin/edit-slots.ts';
import { generateEscrowKey, renderEscrowKeyFile } from '../keyring/slots/escrow-key.ts';
import { slotsOfType } from '../keyring/slots/slot-types.ts';
import { timestamp } from '../keyring/state/fields.ts';
import { KEY_COMMAND_TIMEOUT_MS } from '../limits.ts';
import { basisOf, requireCommandApproval } from './command-approval.ts';
import { type Output, parseCommand, runNamed, shape, UsageError } from './command-line.ts';
import { readCaller } from './key-caller.ts';
import { openKeyringCommand } from './keyring-command.ts';
import { PROCESS_OUTPUT } from './process-output.ts';
import { writeSecretFile } from './secret-file.ts';

export const ESCROW_USAGE = `Usage:
  sealgate escrow keygen --out FILE [--json]
  sealgate escrow remove [--credentials FILE] [--reason TEXT]

keygen  makes a key pair: the private key goes into FILE, for its owner only, the public key is printed.
        Set SEALGATE_ESCROW_PUBLIC_KEY to it, and keep FILE offline.
remove  takes the escrow off the tenant whose key is given. Unset SEALGATE_ESCROW_PUBLIC_KEY first, or it comes back.
        --credentials  JSON with accessKeyId and secretAccessKey, - for standard input;
                       else AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY

Exit codes: 0 done; 1 it could not be done, and standard error says why; 2 the command line was wrong.
`;

interface EscrowOptions extends Output {
  readonly environment: NodeJS.ProcessEnv;
}

/** `args`: what follows `escrow`. Returns the exit code. */
export function escrowCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const o = { ...PROCESS_OUTPUT, environment };
  return runNamed(args, { keygen, remove }, o, { command: 'escrow', usage: ESCROW_USAGE });
}

const KEYGEN = shape([], { out: { type: 'string' }, json: { type: 'boolean' } });

async function keygen(args: readonly string[], o: EscrowOptions): Promise<number> {
  const { out, json } = parseCommand(args, KEYGEN).values;
  if (out === undefined || out === '') throw new UsageError('--out is missing: name the file for the private key.');
  const key = generateEscrowKey();
  await writeSecretFile(out, renderEscrowKeyFile(key, timestamp(new Date())));
  const publicKey = key.publicKey.toString('base64');
  key.secret.fill(0);
  o.out(json === true ? JSON.stringify({ publicKey }) : `SEALGATE_ESCROW_PUBLIC_KEY=${publicKey}`);
  if (json !== true) {
    o.err(`The private key is in ${out}. It opens every tenant that is escrowed to it: keep it offline.`);
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
