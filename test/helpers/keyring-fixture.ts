/**
 * Keyrings in every stage of their life, for tests: several slots and epochs, removed slots, terms as wanted, root keys at
 * hand. Signing again after a change takes the keys an attacker would need, by name: `resign` needs S, `remac` the root.
 */
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { sealAccessKeyId } from '../../proxy/keyring/access-keys/access-key-id.ts';
import { SealKey, SealKeys } from '../../proxy/keyring/access-keys/seal-keys.ts';
import { newSlotId, newTenantId } from '../../proxy/keyring/ids.ts';
import { type ApiKey, generateApiKey, isApiKeyLength, MAX_RAW_BYTES } from '../../proxy/keyring/slots/api-key.ts';
import { type ApiKeySlot, apiKeySlot } from '../../proxy/keyring/slots/api-key-slot.ts';
import type { EscrowSlot } from '../../proxy/keyring/slots/escrow-slot.ts';
import { DEFAULT_KDFS, type Kdf, KdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import { type RoleSlot, roleSlot } from '../../proxy/keyring/slots/role-slot.ts';
import { newSlotTerms, type OperatorTerms } from '../../proxy/keyring/slots/slot-terms.ts';
import type { Slot } from '../../proxy/keyring/slots/slot-types.ts';
import { canonicalJson } from '../../proxy/keyring/state/canonical-json.ts';
import { type Epoch, KEYRING_FORMAT, type Keyring } from '../../proxy/keyring/state/document.ts';
import { operatorMac, rootMac } from '../../proxy/keyring/state/macs.ts';

export const CREATED = '2026-01-02T03:04:05Z';

export interface SlotPlan extends Partial<OperatorTerms> {
  readonly apiKey?: ApiKey;
  readonly runner?: KdfRunner;
  readonly kdf?: Kdf;
}

export interface TenantFixture {
  readonly tenant: string;
  readonly keyring: Keyring;
  /** The API keys' slots of `keyring`. */
  readonly keySlots: readonly ApiKeySlot[];
  /** Canonical bytes of `keyring`. */
  readonly body: Buffer;
  /** By epoch, those not retired. */
  readonly roots: ReadonlyMap<number, KeyObject>;
  /** In the order of the plan. The access key ids are sealed ones, '' where the key is too long for one. */
  readonly keys: readonly { readonly apiKey: ApiKey; readonly slot: string; readonly accessKeyId: string }[];
}

export function newSealKeys(...kids: readonly string[]): SealKeys {
  return new SealKeys(kids.map((kid) => new SealKey(kid, randomBytes(32))));
}

export async function makeTenant(o: {
  sealKeys: SealKeys;
  tenant?: string;
  slots?: readonly SlotPlan[];
  epochs?: readonly Epoch[];
  removed?: Keyring['removed'];
  escrow?: EscrowSlot;
  generation?: number;
  name?: string;
}): Promise<TenantFixture> {
  const tenant = o.tenant ?? newTenantId();
  const epochs = o.epochs ?? [{ created: CREATED, epoch: 1, state: 'current' }];
  const open = epochs.filter((epoch) => epoch.state !== 'retired');
  const roots = new Map(open.map(({ epoch }) => [epoch, createSecretKey(randomBytes(32))]));
  const keys = [];
  const slots = [];
  for (const plan of o.slots ?? [{}]) {
    const apiKey = plan.apiKey ?? generateApiKey();
    const slot = await makeSlot({ tenant, roots, plan: { ...plan, apiKey } });
    slots.push(slot);
    keys.push({
      apiKey,
      slot: slot.id,
      accessKeyId: fitsSealed(apiKey) ? sealAccessKeyId({ sealKeys: o.sealKeys, tenant, slot: slot.id, apiKey }) : '',
    });
  }
  const unsigned = {
    created: CREATED,
    epochs: [...epochs],
    format: KEYRING_FORMAT,
    generation: o.generation ?? 1,
    name: o.name ?? '',
    operatorKid: '',
    operatorMac: '',
    removed: o.removed ?? [],
    rootMac: '',
    slots: byId<Slot>(o.escrow === undefined ? slots : [...slots, o.escrow]),
    tenant,
    updated: CREATED,
  } satisfies Keyring;
  const keyring = resign(remac(unsigned, currentRoot(roots)), o.sealKeys);
  return { tenant, keyring, keySlots: byId(slots), body: canonicalJson(keyring), roots, keys };
}

function fitsSealed({ type, bytes }: ApiKey): boolean {
  return isApiKeyLength(type, bytes.length, MAX_RAW_BYTES);
}

export function makeSlot(o: {
  tenant: string;
  roots: ReadonlyMap<number, KeyObject>;
  plan: SlotPlan;
}): Promise<ApiKeySlot> {
  const { tenant, roots, plan } = o;
  const grants = plan.grants ?? [{ bucket: 'data', prefix: '', access: 'read-only' }];
  const defaults = newSlotTerms({ id: newSlotId(), now: new Date(CREATED), grants, idKid: 'one' });
  const { apiKey = generateApiKey(), kdf = DEFAULT_KDFS['hkdf-sha256'], runner = new KdfRunner(), ...given } = plan;
  const terms = { ...defaults, ...given };
  return apiKeySlot.seal({ tenant, terms, apiKey, kdf, roots, runner }, new AbortController().signal);
}

/** An escrow of the right form that nothing opens. `id` is lower than those that `makeTenant` draws, but for one in 2^32. */
export function fakeEscrow(o: { epochs: readonly number[]; id?: string }): EscrowSlot {
  const bytes = (length: number) => randomBytes(length).toString('base64');
  return {
    created: CREATED,
    id: o.id ?? '00000000',
    publicKey: bytes(32),
    suite: 1,
    type: 'escrow',
    wraps: o.epochs.map((epoch) => ({ enc: bytes(32), epoch, wrapped: bytes(48) })),
  };
}

/** A role that trusts one job of an issuer. */
export function fakeRole(o: {
  tenant: string;
  roots: ReadonlyMap<number, KeyObject>;
  slotSecret?: Buffer;
  idKid?: string;
}): Promise<RoleSlot> {
  const { tenant, roots, slotSecret = randomBytes(32), idKid = 'one' } = o;
  return roleSlot.seal({
    tenant,
    roots,
    id: newSlotId(),
    name: 'ci',
    kept: 'arn',
    slotSecret,
    now: new Date(CREATED),
    trust: {
      audiences: ['sealgate'],
      conditions: [{ claim: 'ref', value: 'refs/heads/main' }],
      issuer: 'https://issuer.example',
      maxUses: 0,
      outlivesToken: 'no',
      subjects: ['repo:org/app:*'],
      tags: [{ claim: 'repository_id', name: 'repository' }],
    },
    terms: {
      approvals: 2,
      assumableBy: [],
      expires: null,
      grants: [{ bucket: 'data', prefix: '', access: 'read-only' }],
      idKid,
      label: '',
      policy: null,
      sessionSerial: 0,
      status: 'active',
    },
  });
}

/** In the order in which a keyring lists them. */
export function byId<T extends { readonly id: string }>(slots: readonly T[]): T[] {
  return slots.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** What whoever holds S can do: the document as it is, under a valid operator MAC. */
export function resign(keyring: Keyring, sealKeys: SealKeys): Keyring {
  const { operatorMac: _old, ...rest } = keyring;
  const covered = { ...rest, operatorKid: sealKeys.active.kid };
  return { ...covered, operatorMac: operatorMac(covered, sealKeys.active) };
}

/** What whoever holds the root key can do. */
export function remac(keyring: Keyring, root: KeyObject): Keyring {
  return { ...keyring, rootMac: rootMac(keyring, root) };
}

export function currentRoot(roots: ReadonlyMap<number, KeyObject>): KeyObject {
  const root = [...roots.values()].at(-1);
  if (root === undefined) throw new Error('There is no root key.');
  return root;
}
