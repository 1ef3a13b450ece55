/** A keyring and its root keys as what the rest of the program works with. */
import type { KeyObject } from 'node:crypto';
import type { Grant } from './grants.ts';
import type { RoleSlot } from './slots/role-slot.ts';
import type { RootKeys } from './slots/slot-type.ts';
import type { SessionSlot } from './slots/slot-types.ts';
import { currentEpoch, type Keyring } from './state/document.ts';

export interface OpenTenant {
  /** 24 hex digits. */
  readonly id: string;
  /** The same, 12 bytes. */
  readonly idBytes: Buffer;
  /** 8 hex digits. */
  readonly slot: string;
  readonly grants: readonly Grant[];
  /** In place of grants, IAM's JSON. */
  readonly policy: string | null;
  /** What limits a session that took on a role, beside the slot that it was issued from. */
  readonly role?: Pick<RoleSlot, 'grants' | 'policy'>;
  /** The current epoch: new DEKs are wrapped under its root key. */
  readonly epoch: number;
  /** `undefined` for an epoch that is retired or unknown. */
  root(epoch: number): KeyObject | undefined;
  /**
   * The tenant as its keyring stands now, for an object of a newer epoch than this one's. One read of the keyring, at most
   * one each UNKNOWN_SLOT_RECHECK_MS. Absent where the keyring was just read. @throws as Tenancy.open
   */
  readonly reopen?: (signal: AbortSignal) => Promise<OpenTenant>;
}

/** `slot`: the one that opened it; without one, as by the escrow key, nothing is granted. The root MAC must have been verified. */
export function openTenantOf(o: {
  readonly keyring: Keyring;
  readonly roots: RootKeys;
  readonly slot?: SessionSlot;
  readonly role?: RoleSlot | undefined;
}): OpenTenant {
  const { keyring, roots, slot, role } = o;
  return {
    id: keyring.tenant,
    idBytes: Buffer.from(keyring.tenant, 'hex'),
    slot: slot?.id ?? '',
    grants: slot?.grants ?? [],
    policy: slot?.policy ?? null,
    ...(role === undefined || role === slot ? {} : { role }),
    epoch: currentEpoch(keyring),
    root: (epoch) => roots.get(epoch),
  };
}

/** `reopen` runs once for a request, however many objects it meets. */
export function reopenable(tenant: OpenTenant, reopen: NonNullable<OpenTenant['reopen']>): OpenTenant {
  let again: Promise<OpenTenant> | undefined;
  return {
    ...tenant,
    reopen: (signal) => {
      again ??= reopen(signal);
      return again;
    },
  };
}
