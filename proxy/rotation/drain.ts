/**
 * From a begun epoch to retired older ones. Passes over everything stored run until one finds no object of an older epoch; then
 * the older root keys may be given up, or the result names what stands against it.
 */
import { setTimeout } from 'node:timers/promises';
import type { Backend } from '../backend/backend.ts';
import type { Capabilities } from '../backend/capabilities.ts';
import type { KeyringDeps, OpenedKeyring } from '../keyring/admin/change-keyring.ts';
import { openTenantOf } from '../keyring/open-tenant.ts';
import type { Slot } from '../keyring/slots/slot-types.ts';
import { REWRAP_PASSES } from '../limits.ts';
import { objectStore, storeContext } from '../object/context.ts';
import { type OlderUpload, olderUploads } from './open-uploads.ts';
import { retireEpochs } from './retire-epochs.ts';
import { type PassOptions, type PassResult, rewrapPass } from './rewrap-pass.ts';
import { bucketsNamed } from './stored-rows.ts';

export interface DrainOptions extends Omit<PassOptions, 'stateBucket' | 'named'> {
  readonly backend: Backend;
  readonly capabilities: Capabilities;
  /** Milliseconds since the epoch began after which no server or request knows only older ones. */
  readonly settledAfterMs: number;
  /** Wait until then in place of ending before. */
  readonly wait: boolean;
  /** Told before a pass begins, and before waiting until a time. */
  readonly onStep?: (step: { kind: 'pass'; number: number } | { kind: 'wait'; until: Date }) => void;
}

export interface DrainResult {
  readonly epoch: number;
  /** Of all passes. */
  readonly rewrapped: number;
  readonly purged: number;
  /** The last one. */
  readonly pass: PassResult;
  readonly uploads: readonly OlderUpload[];
  /** Empty when there was none to retire or they could not be. */
  readonly retired: readonly number[];
  /** Why not, in words; empty when they were. */
  readonly blockers: readonly string[];
  /** Set when only the age of the epoch stands against it: a further run after this time can retire the older epochs. */
  readonly retireAfter: Date | undefined;
}

/** @throws S3Error, BackendUnavailable when the store is out of order: run it again; KeyringConflict */
export async function drain(
  deps: KeyringDeps,
  opened: OpenedKeyring<Slot>,
  o: DrainOptions,
  signal: AbortSignal,
): Promise<DrainResult> {
  const { backend, capabilities } = o;
  const { keyring, roots } = opened;
  // By whichever slot: a rotation reads and wraps, and asks for no grants.
  const tenant = openTenantOf({ keyring, roots });
  const { record, now } = deps;
  const legacy = { kind: 'allow' } as const;
  const store = objectStore({ backend, capabilities, legacy, bestEffortConditions: false, record, now });
  const context = storeContext(store, { tenant, signal });
  const options = { ...o, stateBucket: deps.state.bucket, named: bucketsNamed(opened.keyring) };
  const settled = new Date(epochBegan(opened) + o.settledAfterMs);
  const sums = { epoch: tenant.epoch, rewrapped: 0, purged: 0 };
  for (let number = 1; ; number += 1) {
    o.onStep?.({ kind: 'pass', number });
    // Both before the pass: what ends meanwhile is seen by the pass, or is too young to matter.
    const isSettled = deps.now() >= settled;
    const uploads = await olderUploads(deps.state, { tenant: tenant.id, epoch: tenant.epoch }, signal);
    const pass = await rewrapPass(context, options);
    sums.rewrapped += pass.rewrapped;
    sums.purged += pass.purged;
    const blockers = blockersOf(pass, uploads);
    const end = { ...sums, pass, uploads, blockers, retired: [], retireAfter: undefined };
    if (blockers.length > 0) return end;
    if (!isSettled && !o.wait) return { ...end, blockers: [youth(settled)], retireAfter: settled };
    if (!isSettled) {
      o.onStep?.({ kind: 'wait', until: settled });
      await setTimeout(Math.max(0, settled.getTime() - deps.now().getTime()), undefined, { signal });
    } else if (pass.rewrapped + pass.purged === 0) {
      return { ...end, retired: await retireEpochs(deps, opened, signal) };
    } else if (number >= REWRAP_PASSES) {
      return { ...end, blockers: ['the last pass still found objects of an older epoch: run it again'] };
    }
  }
}

function epochBegan({ keyring }: OpenedKeyring<Slot>): number {
  return Date.parse(keyring.epochs.at(-1)?.created ?? '');
}

function youth(settled: Date): string {
  return `requests that began under it may still be under way until ${settled.toISOString().slice(0, 19)}Z`;
}

function blockersOf(pass: PassResult, uploads: readonly OlderUpload[]): string[] {
  const blockers: string[] = [];
  if (pass.failed > 0) blockers.push(`${pass.failed} objects could not be re-wrapped`);
  if (pass.archived > 0) blockers.push(`${pass.archived} objects are archived and have to be restored first`);
  if (pass.noncurrent > pass.locked) {
    blockers.push(`${pass.noncurrent - pass.locked} older versions: --purge-noncurrent deletes them`);
  }
  if (pass.locked > 0) blockers.push(`${pass.locked} older versions are kept by an object lock`);
  if (uploads.length > 0) blockers.push(`${uploads.length} uploads in progress have to be completed or aborted`);
  return blockers;
}
