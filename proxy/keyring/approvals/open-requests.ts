/**
 * The open requests of one role, or of the commands about one tenant: a small list in the state, changed by compare-and-swap. The list
 * keeps one open request for each subject, and bounds how many there are. Nothing is believed of the list that the request itself
 * does not say.
 */
import { z } from 'zod';
import { MAX_OPEN_APPROVALS, OPEN_APPROVALS_ATTEMPTS } from '../../approval-limits.ts';
import { S3Error } from '../../errors.ts';
import { canonicalJson } from '../state/canonical-json.ts';
import { hex, time } from '../state/fields.ts';
import { StateConflict, type StateStore } from '../state/state.ts';
import { ApprovalRefused } from './approval-errors.ts';

export const OPEN_NAMES = 'approvals/open/';
const FORMAT = 'sealgate-open-approvals/1' as const;

const entrySchema = z.strictObject({ expires: time, id: hex(12), subject: hex(32) });
const recordSchema = z.strictObject({
  format: z.literal(FORMAT),
  requests: z.array(entrySchema).max(MAX_OPEN_APPROVALS),
});

type Entry = z.infer<typeof entrySchema>;

export interface Docket {
  /** Name of the list. */
  readonly name: string;
  /** 64 hex digits: what there is one open request for. */
  readonly subject: string;
}

/** Of a tenant's commands, of one of its roles, or with '' of the deployment. */
export function docketName(tenant: string, scope: string): string {
  return `${openNamesOf(tenant === '' ? 'deployment' : tenant)}${scope}.json`;
}

export function openNamesOf(tenant: string): string {
  return `${OPEN_NAMES}${tenant}/`;
}

/** The id of the open request about the subject. */
export async function findOpen(
  state: StateStore,
  { name, subject }: Docket,
  o: { now: Date; signal: AbortSignal },
): Promise<string | undefined> {
  const { requests } = await load(state, name, o.signal);
  return requests.find((entry) => entry.subject === subject && isOpen(entry, o.now))?.id;
}

/**
 * Adds a request in the place of `instead`, which is void. @returns the id of the request that stands: another's, where another was
 * quicker. @throws ApprovalRefused when there are as many as there may be; S3Error ServiceUnavailable
 */
export async function addOpen(
  state: StateStore,
  { name, subject }: Docket,
  o: { id: string; expires: string; instead: string | undefined; now: Date; signal: AbortSignal },
): Promise<string> {
  const own = { expires: o.expires, id: o.id, subject };
  for (let attempt = 0; attempt < OPEN_APPROVALS_ATTEMPTS; attempt += 1) {
    const { requests, etag } = await load(state, name, o.signal);
    const open = requests.filter((entry) => isOpen(entry, o.now) && entry.id !== o.instead);
    const standing = open.find((entry) => entry.subject === subject);
    if (standing !== undefined) return standing.id;
    if (open.length >= MAX_OPEN_APPROVALS) {
      throw new ApprovalRefused(`There are ${MAX_OPEN_APPROVALS} open requests already, the most there may be.`);
    }
    if (await store(state, name, { requests: [...open, own], etag }, o.signal)) return o.id;
  }
  throw new S3Error('SlowDown');
}

/** Takes a request off the list: it was carried out, or withdrawn. One that stays is found to be void. */
export async function removeOpen(state: StateStore, name: string, id: string, signal: AbortSignal): Promise<void> {
  for (let attempt = 0; attempt < OPEN_APPROVALS_ATTEMPTS; attempt += 1) {
    const { requests, etag } = await load(state, name, signal);
    const others = requests.filter((entry) => entry.id !== id);
    if (others.length === requests.length) return;
    if (await store(state, name, { requests: others, etag }, signal)) return;
  }
}

function isOpen({ expires }: Entry, now: Date): boolean {
  return Date.parse(expires) > now.getTime();
}

async function load(
  state: StateStore,
  name: string,
  signal: AbortSignal,
): Promise<{ requests: readonly Entry[]; etag: string | undefined }> {
  const stored = await state.get(name, signal);
  return { requests: stored === undefined ? [] : parse(stored.body), etag: stored?.etag };
}

/** A list that cannot be read lists nothing. */
function parse(body: Buffer): readonly Entry[] {
  try {
    return recordSchema.parse(JSON.parse(body.toString('utf8'))).requests;
  } catch {
    return [];
  }
}

async function store(
  state: StateStore,
  name: string,
  o: { requests: readonly Entry[]; etag: string | undefined },
  signal: AbortSignal,
): Promise<boolean> {
  const body = canonicalJson({ format: FORMAT, requests: o.requests });
  try {
    await state.put(name, body, o.etag === undefined ? { ifAbsent: true } : { ifMatch: o.etag }, signal);
    return true;
  } catch (error) {
    if (!(error instanceof StateConflict)) throw error;
    // A request that was sent twice conflicts with itself.
    return (await state.get(name, signal))?.body.equals(body) === true;
  }
}
