/** `sealgate key rotate --deep`: a new root key for a tenant, and everything it stored wrapped under it. See docs/rotation.md. */
import { isatty } from 'node:tty';
import type { Config } from '../config/config.ts';
import type { AccessKey } from '../keyring/access-keys/access-key-id.ts';
import { parseRoleArn } from '../keyring/access-keys/role-arn.ts';
import { type OpenedKeyring, openKeyring, openKeyringByKms } from '../keyring/admin/change-keyring.ts';
import { RoleAdmin } from '../keyring/admin/role-admin.ts';
import { resolveTenant } from '../keyring/admin/tenant-names.ts';
import { keySlots, labelOf, type Slot, slotsOfType } from '../keyring/slots/slot-types.ts';
import { currentEpoch, type Keyring } from '../keyring/state/document.ts';
import { KEYRING_TTL_SECONDS } from '../limits.ts';
import { beginEpoch } from '../rotation/begin-epoch.ts';
import { countEpochs } from '../rotation/count-epochs.ts';
import { type DrainResult, drain } from '../rotation/drain.ts';
import { planSlots, type SlotPlan, SlotsWouldBeDropped } from '../rotation/keep-slots.ts';
import type { PassResult } from '../rotation/rewrap-pass.ts';
import { storedRows } from '../rotation/stored-rows.ts';
import { probeStorage, type Storage } from '../runtime.ts';
import { basisOf, type CommandDeps, requireCommandApproval } from './command-approval.ts';
import { reporting, UsageError } from './command-line.ts';
import { handOut, keptMembers } from './issued-key.ts';
import { readCaller } from './key-caller.ts';
import { DEEP_USAGE, type DeepCommand, parseDeepOptions } from './key-rotate-deep-options.ts';
import { openKeyringCommand } from './keyring-command.ts';
import { PROCESS_OUTPUT } from './process-output.ts';
import { rotationProgress } from './rotation-progress.ts';

const { out, err } = PROCESS_OUTPUT;

interface Context {
  readonly command: DeepCommand;
  readonly deps: CommandDeps;
  readonly storage: Storage;
  readonly config: Config;
  readonly signal: AbortSignal;
}

/** @returns the exit code */
export async function keyRotateDeepCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  return reporting({ out, err, command: 'key rotate --deep', usage: DEEP_USAGE }, () =>
    run(parseDeepOptions(args), environment),
  );
}

async function run(command: DeepCommand, environment: NodeJS.ProcessEnv): Promise<number> {
  const interrupted = new AbortController();
  const stop = () => interrupted.abort(new Error('interrupted; the same command goes on'));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    return await openKeyringCommand(environment, (deps, { storage, config }) => {
      const context = { command, deps, storage, config, signal: interrupted.signal };
      return command.status ? status(context, environment) : rotate(context, environment);
    });
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

async function status(context: Context, environment: NodeJS.ProcessEnv): Promise<number> {
  const { command, deps, storage, signal } = context;
  const named = command.tenant && (await resolveTenant(deps, command.tenant, signal));
  const tenant = named ?? (await callerKeys(context, environment))[0].tenant;
  const source = { backend: storage.backend, signal, stateBucket: deps.state.bucket };
  const counts = await countEpochs(source, tenant);
  if (command.json) {
    out(JSON.stringify({ tenant, ...counts }));
    return 0;
  }
  out(`tenant   ${tenant}`);
  for (const [epoch, { current, noncurrent }] of Object.entries(counts.epochs)) {
    out(`epoch ${epoch}  objects ${current}  older versions ${noncurrent}`);
  }
  out(`other tenants ${counts.foreign}  unencrypted ${counts.legacy}  malformed ${counts.malformed}`);
  return 0;
}

async function rotate(context: Context, environment: NodeJS.ProcessEnv): Promise<number> {
  const { command, deps, signal } = context;
  if (command.kms !== undefined) {
    const underWay = await unattended(context, command.kms);
    await approvedPurge(context, underWay.keyring);
    return report(command, await drained(context, underWay));
  }
  const keys = await callerKeys(context, environment);
  const opened = await openKeyring(deps, keys[0], signal);
  if (command.dryRun) return dryRun(context, opened, keys);
  if (!isUnderWay(opened)) return report(command, await drained(context, await begin(context, opened, keys)));
  await approvedPurge(context, opened.keyring);
  return report(command, await drained(context, goOn(opened)));
}

/** To go on needs no approval, but to delete older versions does, unless that was approved with the beginning. */
async function approvedPurge({ command, deps, signal }: Context, keyring: Keyring): Promise<void> {
  if (!command.purgeNoncurrent) return;
  const about = { action: 'key-rotate-deep', tenant: keyring.tenant, basis: basisOf(keyring) } as const;
  const parameters = { epoch: currentEpoch(keyring), purgeNoncurrent: 'yes', step: 'go on' };
  await requireCommandApproval(deps, { ...about, parameters, reason: command.reason }, signal);
}

/** A rotation under way, opened by a key of a KMS alone. What begins one takes the keys that are to open the new root key. */
async function unattended({ deps, signal }: Context, tenant: string): Promise<OpenedKeyring<Slot>> {
  const opened = await openKeyringByKms(deps, await resolveTenant(deps, tenant, signal), signal);
  if (isUnderWay(opened)) return goOn(opened);
  throw new UsageError('--kms goes on with a rotation that is under way. Begin one with the keys that are to stay.');
}

function isUnderWay({ keyring }: OpenedKeyring<Slot>): boolean {
  return keyring.epochs.some(({ state }) => state === 'draining');
}

function goOn<S extends Slot>(opened: OpenedKeyring<S>): OpenedKeyring<S> {
  err(`going on with epoch ${currentEpoch(opened.keyring)}, begun ${opened.keyring.epochs.at(-1)?.created}`);
  return opened;
}

async function dryRun(context: Context, opened: OpenedKeyring, keys: readonly AccessKey[]): Promise<number> {
  const { command, deps, storage, signal } = context;
  const { keyring } = opened;
  const roleSecrets = await roleSecretsOf(context, keyring);
  const plan = planSlots(keyring, { keys, roleSecrets });
  const source = { backend: storage.backend, signal, stateBucket: deps.state.bucket };
  const { epochs } = await countEpochs(source, keyring.tenant);
  const slots = plan.kept.map(({ slot }) => slot);
  const ids = keySlots({ slots }).map(({ id }) => id);
  const kept = ids.filter((id) => command.keepKey || id !== opened.slot.id);
  const replaced = command.keepKey ? null : opened.slot.id;
  const dropped = plan.dropped.map((slot) => ({ slot: slot.id, label: labelOf(slot) }));
  const underWay = isUnderWay(opened);
  const next = currentEpoch(keyring) + (underWay ? 0 : 1);
  if (command.json) {
    out(JSON.stringify({ tenant: keyring.tenant, epoch: next, underWay, kept, replaced, dropped, objects: epochs }));
    return 0;
  }
  out(`tenant    ${keyring.tenant}`);
  out(underWay ? `epoch     ${next} is under way: no key would change` : `epoch     ${next} would begin`);
  if (!underWay) {
    out(`kept      ${kept.join(', ') || 'none'}`);
    out(`replaced  ${replaced ?? 'none'}`);
    for (const { slot, label } of dropped)
      out(`dropped   ${slot}  ${JSON.stringify(label)}: what opens it is not at hand`);
  }
  for (const [epoch, count] of Object.entries(epochs)) {
    out(`objects   ${count.current} of epoch ${epoch}, and ${count.noncurrent} older versions`);
  }
  return 0;
}

async function begin(context: Context, opened: OpenedKeyring, keys: readonly AccessKey[]): Promise<OpenedKeyring> {
  const { command, deps, signal } = context;
  const { keepKey, dropSlots, out: path, json, credentials } = command;
  const kept = await keptMembers(credentials[0]);
  const roleSecrets = await roleSecretsOf(context, opened.keyring);
  await approvedBeginning(context, opened, planSlots(opened.keyring, { keys, roleSecrets }));
  const begun = await handOut({ path, overwrite: false, json, kept, output: PROCESS_OUTPUT }, (keep) =>
    beginEpoch(deps, opened, { keys, roleSecrets, keepKey, dropSlots, keep }, signal),
  );
  err(`epoch ${begun.epoch} has begun; ${begun.dropped.length} keys were dropped`);
  if (begun.issued !== undefined) err(`key ${opened.slot.id} is gone; ${begun.issued.slot} has taken its place`);
  return begun.opened;
}

/** @throws SlotsWouldBeDropped before anybody is asked; ApprovalNeeded, ApprovalRefused */
async function approvedBeginning(
  { command, deps, signal }: Context,
  opened: OpenedKeyring,
  plan: SlotPlan,
): Promise<void> {
  if (plan.dropped.length > 0 && !command.dropSlots) throw new SlotsWouldBeDropped(plan.dropped);
  const { keyring, slot } = opened;
  const parameters = {
    dropped: plan.dropped.map(({ id }) => id).sort(),
    epoch: currentEpoch(keyring) + 1,
    purgeNoncurrent: command.purgeNoncurrent ? 'yes' : 'no',
    replaced: command.keepKey ? '' : slot.id,
    step: 'begin',
  };
  const about = { action: 'key-rotate-deep', tenant: keyring.tenant, basis: basisOf(keyring) } as const;
  await requireCommandApproval(deps, { ...about, parameters, reason: command.reason }, signal);
}

/** By slot: of the roles whose ARN was given, and of the managed ones. @throws WrongRoleArn */
async function roleSecretsOf(
  { command, deps, signal }: Context,
  keyring: Keyring,
): Promise<ReadonlyMap<string, Buffer>> {
  const given = new Map(command.roleArns.map((arn) => [parseRoleArn(arn)?.name, arn]));
  const { tenant } = keyring;
  const secrets = new Map<string, Buffer>();
  for (const slot of slotsOfType(keyring, 'role')) {
    const arn = given.get(slot.name);
    given.delete(slot.name);
    if (slot.kept === 'arn' && arn === undefined) continue;
    secrets.set(slot.id, (await new RoleAdmin(deps).secretOf(slot, { tenant, arn }, signal)).slotSecret);
  }
  if (given.size > 0) throw new UsageError('--role-arn is none of a role of the tenant.');
  return secrets;
}

async function drained(context: Context, opened: OpenedKeyring<Slot>): Promise<DrainResult> {
  const { command, deps, storage, config, signal } = context;
  const capabilities = await probeStorage(storage, config);
  const progress = rotationProgress({ write: (text) => process.stderr.write(text), isTerminal: isatty(2) });
  const settledSeconds = command.serversRestarted ? 0 : KEYRING_TTL_SECONDS + command.longestRequestSeconds;
  const counting = new AbortController();
  void countRows(context, AbortSignal.any([signal, counting.signal])).then((total) => {
    progress.total = total;
  });
  let last: PassResult | undefined;
  const endPass = () => last !== undefined && progress.end(last);
  try {
    const result = await drain(
      deps,
      opened,
      {
        backend: storage.backend,
        capabilities,
        purgeNoncurrent: command.purgeNoncurrent,
        settledAfterMs: 1000 * settledSeconds,
        wait: command.wait,
        onProgress: (pass) => {
          last = pass;
          progress.show(pass);
        },
        onStep: (step) => {
          endPass();
          last = undefined;
          if (step.kind === 'wait') err(`waiting until ${step.until.toISOString()}`);
          else progress.begin();
        },
      },
      signal,
    );
    return result;
  } finally {
    counting.abort();
    endPass();
  }
}

/** For the time that is left; a listing is a small part of a pass. Without it, only the rate is shown. */
async function countRows(context: Context, signal: AbortSignal): Promise<number | undefined> {
  const { storage, deps } = context;
  let rows = 0;
  try {
    for await (const _ of storedRows({ backend: storage.backend, signal, stateBucket: deps.state.bucket })) rows += 1;
    return rows;
  } catch {
    return undefined;
  }
}

function report(command: DeepCommand, result: DrainResult): number {
  const { epoch, rewrapped, purged, pass, retired, blockers, uploads, retireAfter } = result;
  const onlyTime = retireAfter !== undefined;
  if (command.json) {
    const { failures, ...counts } = pass;
    out(
      JSON.stringify({ epoch, rewrapped, purged, lastPass: counts, failures, uploads, retired, blockers, retireAfter }),
    );
    return retired.length > 0 || onlyTime ? 0 : 1;
  }
  for (const { bucket, key, reason } of pass.failures)
    err(`failed  ${bucket}/${JSON.stringify(key).slice(1, -1)}: ${reason}`);
  for (const { bucket, key, uploadId, created } of uploads) {
    err(`upload  ${bucket}/${JSON.stringify(key).slice(1, -1)}  ${uploadId}  begun ${created}`);
  }
  out(`epoch ${epoch}: ${rewrapped} objects re-wrapped, ${purged} older versions deleted`);
  if (retired.length > 0) {
    out(`retired: epoch ${retired.join(', ')}`);
    return 0;
  }
  for (const blocker of blockers) out(`not retired: ${blocker}`);
  out('Run the same command again, with the key that is in force now, to go on.');
  return onlyTime ? 0 : 1;
}

/** The caller's first. @throws NoCallerSecret, S3Error InvalidAccessKeyId */
async function callerKeys(context: Context, environment: NodeJS.ProcessEnv): Promise<[AccessKey, ...AccessKey[]]> {
  const { command, deps, signal } = context;
  const [first, ...others] = command.credentials;
  const read = async (file: string | undefined) => (await readCaller(deps, { file, environment }, signal)).key;
  const keys: [AccessKey, ...AccessKey[]] = [await read(first)];
  for (const file of others) keys.push(await read(file));
  return keys;
}
