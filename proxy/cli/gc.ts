/** `sealgate gc`: removes what abandoned multipart uploads left, or says what it would remove. */
import { parseArgs } from 'node:util';
import { collectGarbage } from '../multipart/collect-garbage.ts';
import type { Storage } from '../runtime.ts';
import { openCommandStorage } from './command-storage.ts';

const USAGE = `Usage: sealgate gc [--dry-run] [--abandoned-after DAYS] [--json]

Removes from the state bucket what uploads left that the backend no longer knows, and aborts uploads begun more than
DAYS ago (default 7). With --dry-run nothing is changed.
`;

const DAY_MS = 24 * 60 * 60 * 1000;

/** @returns the exit code */
export async function gcCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const options = parseOptions(args);
  if (options === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const { storage } = await openCommandStorage(environment);
  try {
    return await report(storage, options);
  } finally {
    await storage.backend.close();
  }
}

interface Options {
  readonly dryRun: boolean;
  readonly abandonedAfterMs: number;
  readonly json: boolean;
}

function parseOptions(args: readonly string[]): Options | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        'dry-run': { type: 'boolean', default: false },
        'abandoned-after': { type: 'string', default: '7' },
        json: { type: 'boolean', default: false },
      },
    });
    const days = /^\d{1,5}$/.test(values['abandoned-after']) ? Number(values['abandoned-after']) : undefined;
    if (days === undefined) return undefined;
    return { dryRun: values['dry-run'], abandonedAfterMs: days * DAY_MS, json: values.json };
  } catch {
    return undefined;
  }
}

async function report(storage: Storage, o: Options): Promise<number> {
  let uploads = 0;
  let objects = 0;
  const signal = AbortSignal.timeout(DAY_MS);
  for await (const found of collectGarbage({ ...storage, ...o, signal, now: new Date() })) {
    uploads += 1;
    objects += found.objects;
    const { bucket, key } = found.address ?? { bucket: undefined, key: undefined };
    const line = o.json
      ? JSON.stringify({ reason: found.reason, bucket, key, objects: found.objects })
      : `${found.reason.padEnd(9)} ${found.objects} objects  ${bucket === undefined ? '(no record)' : `${bucket}/${key}`}`;
    process.stdout.write(`${line}\n`);
  }
  if (!o.json)
    process.stdout.write(`${o.dryRun ? 'would remove' : 'removed'} ${objects} objects of ${uploads} uploads\n`);
  return 0;
}
