/**
 * Slots of type `role`: a way to the tenant's root keys for workloads that sign in with a token of an OpenID Connect issuer
 * (crypto/FORMAT.md, "Keyring and access key ids", slots of type role). The token says who the workload is; the slot's secret
 * comes from the role's ARN in the workload's settings, or for a managed role from the state. No access key id names such a
 * slot. Whom it trusts is under the root MAC: it takes a key of the tenant to change that.
 */
import { z } from 'zod';
import { randomSalt } from '../../../crypto/random.ts';
import { MAX_APPROVALS_NEEDED } from '../../approval-limits.ts';
import {
  MAX_KEYRING_ROLES,
  MAX_ROLE_CLAIM_CHARACTERS,
  MAX_ROLE_CONDITIONS,
  MAX_ROLE_SUBJECTS,
} from '../../session-limits.ts';
import type { Grant } from '../grants.ts';
import { isPlainText } from '../state/canonical-json.ts';
import { base64, slotId, time, timestamp, wrapsOf } from '../state/fields.ts';
import { commitmentOf, secretWrapSchema, unwrapRoots, wrapRoots } from './secret-wraps.ts';
import { isInForce, TERMS } from './slot-terms.ts';
import type { AtHand, OpenedSlot, Reseal, RootKeys, SecretOpening, SlotType } from './slot-type.ts';

/** As in ARNs, without the characters that clients encode in a path. */
export const ROLE_NAME = /^[A-Za-z0-9_.-]{1,64}$/;

const claimText = z.string().min(1).max(MAX_ROLE_CLAIM_CHARACTERS).refine(isPlainText);

const trustSchema = z.strictObject({
  audiences: z.array(claimText).min(1).max(MAX_ROLE_SUBJECTS),
  conditions: z.array(z.strictObject({ claim: claimText, value: claimText })).max(MAX_ROLE_CONDITIONS),
  issuer: claimText,
  /** Requests that one token of the issuer allows; 0: no limit. */
  maxUses: z.int().min(0).max(1_000),
  /** Whether a session may go on past the end of the token that it was issued for. */
  outlivesToken: z.enum(['no', 'yes']),
  subjects: z.array(claimText).min(1).max(MAX_ROLE_SUBJECTS),
  tags: z.array(z.strictObject({ claim: claimText, name: claimText })).max(MAX_ROLE_CONDITIONS),
});

/** Additional data of each wrap, and with `trust` under the root MAC. */
const WRAPPED_RECORD = {
  commitment: base64(32),
  created: time,
  id: slotId,
  /** Where the secret is: sealed in the ARN that its holder was given, or in the state: server-managed. */
  kept: z.enum(['arn', 'state']),
  name: z.string().regex(ROLE_NAME),
  salt: base64(32),
  type: z.literal('role'),
};

const ROLE_TERMS = {
  /** Approvals that each session of the role needs. Absent: none. */
  approvals: z.int().min(1).max(MAX_APPROVALS_NEEDED).exactOptional(),
  /** Keys of the tenant that may take the role on (AssumeRole). */
  assumableBy: z.union([z.literal('*'), z.array(slotId).max(64)]),
  expires: TERMS.expires,
  grants: TERMS.grants,
  idKid: TERMS.idKid,
  label: TERMS.label,
  policy: TERMS.policy,
  sessionSerial: TERMS.sessionSerial,
  status: TERMS.status,
};

const schema = z.strictObject({
  ...WRAPPED_RECORD,
  trust: trustSchema,
  ...ROLE_TERMS,
  wraps: wrapsOf(secretWrapSchema),
});

export type RoleSlot = z.infer<typeof schema>;
export type RoleTrust = z.infer<typeof trustSchema>;
/** What an operator sets. A member that is not there is none in the keyring either. */
export type RoleTerms = Pick<RoleSlot, keyof typeof ROLE_TERMS>;

interface Sealing {
  /** 8 hex digits. */
  readonly id: string;
  readonly name: string;
  readonly kept: RoleSlot['kept'];
  readonly trust: RoleTrust;
  readonly terms: RoleTerms;
  /** 32 bytes. */
  readonly slotSecret: Buffer;
  readonly now: Date;
}

const ANYTHING: readonly Grant[] = [{ bucket: '*', prefix: '', access: 'read-write' }];

export const roleSlot = {
  type: 'role',
  schema,
  most: MAX_KEYRING_ROLES,
  signs: false,
  operatorRemoves: true,
  needsKms: false,
  record: ({ trust, ...slot }) => ({ ...wrappedRecord(slot), trust }),
  fault: ({ grants, policy }) =>
    policy !== null && grants.length > 0 ? 'there are grants beside a policy' : undefined,
  grants: ({ grants, policy }) => (policy === null ? grants : ANYTHING),
  serverManaged: ({ kept }) => kept === 'state',
  sealKeyIds: (slot, o) => (isInForce(slot, o.now) ? [slot.idKid] : []),
  details: ({ name, trust, status }) => ({ name, status, issuer: trust.issuer, subjects: trust.subjects.join(' ') }),
  reseal,
  seal,
  open: async (o) => openBySecret(o),
  openBySecret,
} as const satisfies SlotType<RoleSlot, Sealing, SecretOpening>;

async function seal(o: { readonly tenant: string; readonly roots: RootKeys } & Sealing): Promise<RoleSlot> {
  const { tenant, roots, id, name, kept, slotSecret } = o;
  const salt = randomSalt();
  const of = { slotSecret, tenant, slot: id };
  const commitment = commitmentOf(of, salt);
  const created = timestamp(o.now);
  const record = { commitment, created, id, kept, name, salt: salt.toString('base64'), type: 'role' } as const;
  return { ...record, trust: o.trust, ...o.terms, wraps: wrapRoots({ ...of, record, roots }) };
}

function openBySecret(o: { readonly tenant: string; readonly slot: RoleSlot } & SecretOpening): OpenedSlot {
  const { tenant, slot, slotSecret } = o;
  const { salt, commitment, wraps } = slot;
  return unwrapRoots({ slotSecret, tenant, slot: slot.id, salt, commitment, record: wrappedRecord(slot), wraps });
}

function wrappedRecord({
  commitment,
  created,
  id,
  kept,
  name,
  salt,
  type,
}: Pick<RoleSlot, keyof typeof WRAPPED_RECORD>) {
  return { commitment, created, id, kept, name, salt, type };
}

/** With the secret of the role's ARN, or of its record: the ARN stays as it is. */
function reseal(slot: RoleSlot, { roleSecrets }: AtHand): Reseal<RoleSlot> | undefined {
  const slotSecret = roleSecrets.get(slot.id);
  if (slotSecret === undefined) return undefined;
  const { id, name, kept, trust, created } = slot;
  return ({ tenant, roots }) =>
    seal({ tenant, roots, id, name, kept, trust, terms: termsOf(slot), slotSecret, now: new Date(created) });
}

function termsOf({ approvals, ...slot }: RoleSlot): RoleTerms {
  const { assumableBy, expires, grants, idKid, label, policy, sessionSerial, status } = slot;
  const terms = { assumableBy, expires, grants, idKid, label, policy, sessionSerial, status };
  return approvals === undefined ? terms : { approvals, ...terms };
}
