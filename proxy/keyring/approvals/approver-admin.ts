/** Reading and changing the approvers of a deployment: always afresh, and by compare-and-swap. */
import { randomBytes } from 'node:crypto';
import type { RecordEvent } from '../../observe/events.ts';
import type { SealKeys } from '../access-keys/seal-keys.ts';
import { announced } from '../admin/announce.ts';
import { timestamp } from '../state/fields.ts';
import type { Generations } from '../state/generations.ts';
import { StateConflict, type StateRecord, type StateStore } from '../state/state.ts';
import { ApprovalRefused, ApproversConflict, ApproversTampered } from './approval-errors.ts';
import {
  APPROVERS_NAME,
  type Approvers,
  DEPLOYMENT_BYTES,
  isValidApprovers,
  openApprovers,
  signApprovers,
} from './approvers-record.ts';

export interface ApprovalDeps {
  readonly state: StateStore;
  readonly sealKeys: SealKeys;
  readonly record: RecordEvent;
  readonly now: () => Date;
  /** What a serving process remembers, so that an older record that was put back is noticed. */
  readonly generations?: Generations;
}

/** Not the id of a tenant: the generations of keyrings are remembered beside. */
const REMEMBERED_AS = 'approvers';

/** `undefined`: the deployment has none. @throws ApproversTampered (with a security event), S3Error ServiceUnavailable */
export async function readApprovers(deps: ApprovalDeps, signal: AbortSignal): Promise<Approvers | undefined> {
  return (await load(deps, signal)).approvers;
}

async function load(
  deps: ApprovalDeps,
  signal: AbortSignal,
): Promise<{ readonly approvers: Approvers | undefined; readonly stored: StateRecord | undefined }> {
  const stored = await deps.state.get(APPROVERS_NAME, signal);
  if (stored === undefined) {
    if (deps.generations?.hasSeen(REMEMBERED_AS) !== true) return { approvers: undefined, stored };
    throw await refused(deps, 'approvers-rollback', 'The record of the approvers was there, and is gone.');
  }
  const approvers = await verified(deps, stored.body);
  if (deps.generations?.accept(REMEMBERED_AS, approvers.generation, stored.body) === false) {
    const message = `Generation ${approvers.generation} of the record of the approvers is not the newest one seen.`;
    throw await refused(deps, 'approvers-rollback', message);
  }
  return { approvers, stored };
}

/** What a change makes of the approvers; of none, where there are none yet. */
export type ApproversChange = Pick<Approvers, 'approvers' | 'required' | 'delaySeconds'>;

export const NO_APPROVERS: ApproversChange = { approvers: [], required: 0, delaySeconds: 0 };

/**
 * Writes the change, on top of `generation`: what was approved, or looked at, must be what is changed.
 * @throws ApprovalRefused for a list that cannot be; ApproversConflict, ApproversTampered, S3Error ServiceUnavailable
 */
export async function changeApprovers(
  deps: ApprovalDeps,
  o: { generation: number; change: ApproversChange; detail: string },
  signal: AbortSignal,
): Promise<Approvers> {
  const { approvers: before, stored } = await load(deps, signal);
  if ((before?.generation ?? 0) !== o.generation) throw new ApproversConflict();
  const record = {
    ...o.change,
    deployment: before?.deployment ?? randomBytes(DEPLOYMENT_BYTES).toString('hex'),
    generation: o.generation + 1,
    updated: timestamp(deps.now()),
  };
  if (!isValidApprovers(record)) {
    throw new ApprovalRefused(
      'Each approver has a name, a key and principals of its own, and there must be as many approvers as are required.',
    );
  }
  const { active } = deps.sealKeys;
  const body = signApprovers(record, active);
  await announced(deps.record, { kind: 'approvers-changed', detail: o.detail }, () =>
    write(deps, { body, stored }, signal),
  );
  return { ...record, kid: active.kid };
}

/** Signs the record under the active seal key. @returns false when it is already, or there is none */
export async function resignApprovers(deps: ApprovalDeps, signal: AbortSignal): Promise<boolean> {
  const { approvers, stored } = await load(deps, signal);
  const { active } = deps.sealKeys;
  if (approvers === undefined || approvers.kid === active.kid) return false;
  const { kid: _kid, ...record } = approvers;
  const next = { ...record, generation: record.generation + 1, updated: timestamp(deps.now()) };
  await write(deps, { body: signApprovers(next, active), stored }, signal);
  return true;
}

async function write(
  deps: ApprovalDeps,
  { body, stored }: { body: Buffer; stored: StateRecord | undefined },
  signal: AbortSignal,
): Promise<void> {
  const condition = stored === undefined ? ({ ifAbsent: true } as const) : { ifMatch: stored.etag };
  try {
    await deps.state.put(APPROVERS_NAME, body, condition, signal);
  } catch (error) {
    if (!(error instanceof StateConflict)) throw error;
    // A request that was sent twice conflicts with itself.
    const after = await deps.state.get(APPROVERS_NAME, signal);
    if (after?.body.equals(body) !== true) throw new ApproversConflict();
  }
}

async function verified(deps: ApprovalDeps, body: Buffer): Promise<Approvers> {
  try {
    return openApprovers(body, deps.sealKeys);
  } catch (error) {
    if (error instanceof ApproversTampered) await deps.record({ kind: 'approvers-tampered', detail: error.message });
    throw error;
  }
}

async function refused(deps: ApprovalDeps, kind: 'approvers-rollback', detail: string): Promise<ApproversTampered> {
  await deps.record({ kind, detail });
  return new ApproversTampered(detail);
}
