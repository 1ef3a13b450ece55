/** `sealgate gc`: removes what abandoned multipart uploads and keys that are gone left, or says what it would remove. */
import { collectOrphanedIds } from '../keyring/access-keys/orphaned-ids.ts';
import type { SealKeys } from '../keyring/access-keys/seal-keys.ts';
import { collectOrphanedUses } from '../keyring/uses/orphaned-uses.ts';
import { collectGarbage, type GarbageFound } from '../multipart/collect-garbage.ts';
import type { Storage } from '../runtime.ts';
import { parseCommand, reporting, shape, UsageError } from './command-line.ts';
import { openCommandStorage } from './command-storage.ts';
import { PROCESS_OUTPUT } from './process-output.ts';

export const GC_USAGE = `Usage: sealgate gc [--dry-run] [--abandoned-after DAYS] [--unrecorded] [--json]

Removes from the state bucket what uploads left that the backend no longer knows, and aborts uploads begun more than
DAYS ago (default 7). With --unrecorded it also looks through all other buckets, and aborts uploads begun more than DAYS
ago that have no record: what a server left that was killed, but also what other programs upload into these buckets.
Records of the last use of keys that are gone go too, and those of registered access key ids that no key has.
With --dry-run nothing is changed.

Exit codes: 0 done; 1 it could not be done, and standard error says why; 2 the command line was wrong.
`;

const DAY_MS = 24 * 60 * 60 * 1000;

/** @returns the exit code */
export async function gcCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  return reporting({ ...PROCESS_OUTPUT, command: 'gc', usage: GC_USAGE }, async () => {
    const options = parseOptions(args);
    const { storage, config } = await openCommandStorage(environment);
    try {
      return await report(storage, { ...options, sealKeys: config.sealKeys });
    } finally {
      await storage.backend.close();
    }
  });
}

interface Options {
  readonly dryRun: boolean;
  readonly abandonedAfterMs: number;
  readonly unrecorded: boolean;
  readonly json: boolean;
}

const GC = shape([], {
  'dry-run': { type: 'boolean', default: false },
  'abandoned-after': { type: 'string', default: '7' },
  unrecorded: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
});

/** @throws UsageError */
function parseOptions(args: readonly string[]): Options {
  const { values } = parseCommand(args, GC);
  if (!/^\d{1,5}$/.test(values['abandoned-after'])) throw new UsageError('--abandoned-after is a number of days.');
  const { unrecorded, json } = values;
  return { dryRun: values['dry-run'], abandonedAfterMs: Number(values['abandoned-after']) * DAY_MS, unrecorded, json };
}

async function report(storage: Storage, o: Options & { readonly sealKeys: SealKeys }): Promise<number> {
  const removed = { uploads: 0, objects: 0, uses: 0, ids: 0 };
  const signal = AbortSignal.timeout(DAY_MS);
  const now = new Date();
  for await (const found of collectGarbage({ ...storage, ...o, signal, now })) {
    if (found.reason !== 'unreadable') {
      removed.uploads += 1;
      removed.objects += found.objects;
    }
    process.stdout.write(`${o.json ? asJson(found) : asText(found)}\n`);
  }
  for await (const { tenant, slot } of collectOrphanedUses({ ...storage, ...o, signal })) {
    removed.uses += 1;
    printRecord('last-used', `${tenant}/${slot}`, o);
  }
  // The ids themselves are not shown: each is half of a pair of credentials.
  for await (const { tenant, slot } of collectOrphanedIds({ ...storage, ...o, signal, now })) {
    removed.ids += 1;
    printRecord('registered-id', `${tenant}/${slot}`, o);
  }
  if (!o.json) {
    const verb = o.dryRun ? 'would remove' : 'removed';
    const uses = removed.uses === 0 ? '' : `, ${removed.uses} records of the last use of keys`;
    const ids = removed.ids === 0 ? '' : `, ${removed.ids} records of registered access key ids`;
    process.stdout.write(`${verb} ${removed.objects} objects of ${removed.uploads} uploads${uses}${ids}\n`);
  }
  return 0;
}

function printRecord(reason: string, id: string, o: { readonly json: boolean }): void {
  process.stdout.write(`${o.json ? JSON.stringify({ reason, id, objects: 1 }) : `${reason}  1 objects  key ${id}`}\n`);
}

function asJson({ reason, id, address, objects }: GarbageFound): string {
  return JSON.stringify({ reason, id, bucket: address?.bucket, key: address?.key, objects });
}

function asText({ reason, id, address, objects }: GarbageFound): string {
  const what =
    address === undefined ? `(upload ${id})` : `${address.bucket}/${JSON.stringify(address.key).slice(1, -1)}`;
  return `${reason.padEnd(10)} ${objects} objects  ${what}`;
}
