/**
 * The operator's terms of a slot that access key ids can name (crypto/FORMAT.md, "Keyring and access key ids", operator's
 * terms): what it reaches, until when, under which kind of access key id. They stand under the operator's MAC alone, so they
 * can be changed without any API key.
 */
import { z } from 'zod';
import { MAX_KEY_LABEL_CHARACTERS, MAX_REGISTERED_IDS, MAX_SLOT_GRANTS } from '../../limits.ts';
import { MAX_POLICY_CHARACTERS } from '../../policy-limits.ts';
import type { AccessKey } from '../access-keys/access-key-id.ts';
import { isRegisteredId, sealKeyOfId } from '../access-keys/registered-id.ts';
import type { SealKeys } from '../access-keys/seal-keys.ts';
import { type Grant, grantSchema } from '../grants.ts';
import { isPlainText } from '../state/canonical-json.ts';
import { sealKeyId, time, timestamp } from '../state/fields.ts';
import { requestedKdfSchema } from './requested-kdf.ts';

/** A session token has four bytes for it. */
export const MAX_SESSION_SERIAL = 0xffff_ffff;

/** The members, for the schema of each type of slot that has terms. */
export const TERMS = {
  accessKeyId: z.enum(['sealed', 'registered']),
  expires: time.nullable(),
  grants: z.array(grantSchema).max(MAX_SLOT_GRANTS),
  idKid: sealKeyId,
  kdfUpgrade: requestedKdfSchema.nullable(),
  label: z.string().max(MAX_KEY_LABEL_CHARACTERS).refine(isPlainText),
  /** In place of grants: IAM's JSON, without white space. What cannot be understood of it allows nothing. */
  policy: z.string().max(MAX_POLICY_CHARACTERS).refine(isPlainText).nullable(),
  registeredIds: z.array(z.string().refine(isRegisteredId)).max(MAX_REGISTERED_IDS),
  /** Raised to end the slot's sessions: a token names the number that it was issued under. */
  sessionSerial: z.int().min(0).max(MAX_SESSION_SERIAL),
  status: z.enum(['active', 'inactive']),
};

const termsSchema = z.object(TERMS);

export type OperatorTerms = z.infer<typeof termsSchema>;

/** The same, with the slot's id and creation time. */
export interface SlotTerms extends OperatorTerms {
  readonly id: string;
  readonly created: string;
}

/** What an operator gives for a new slot, before anything is made of it. */
export const givenTermsSchema = termsSchema.pick({ grants: true, label: true, policy: true });

/** Terms of a new slot whose access key id is sealed: active, never expiring and without a note unless said otherwise. */
export function newSlotTerms(o: {
  id: string;
  now: Date;
  grants: readonly Grant[];
  /** Id of the seal key that its access key id is made under. */
  idKid: string;
  label?: string;
  /** As `timestamp` writes it. */
  expires?: string | null;
  policy?: string | null;
}): SlotTerms {
  return {
    accessKeyId: 'sealed',
    created: timestamp(o.now),
    expires: o.expires ?? null,
    grants: [...o.grants],
    id: o.id,
    idKid: o.idKid,
    kdfUpgrade: null,
    label: o.label ?? '',
    policy: o.policy ?? null,
    registeredIds: [],
    sessionSerial: 0,
    status: 'active',
  };
}

/** What is wrong between the terms, which the schema sees one by one. */
export function termsFault({ accessKeyId, grants, policy, registeredIds }: OperatorTerms): string | undefined {
  if (policy !== null && grants.length > 0) return 'there are grants beside a policy';
  if ((accessKeyId === 'registered') !== registeredIds.length > 0) {
    return 'registered ids and the kind of access key id do not agree';
  }
  const isAscending = registeredIds.every((id, at) => at === 0 || (registeredIds[at - 1] ?? '') < id);
  return isAscending ? undefined : 'registered ids are not ascending';
}

/** Whether a slot takes requests at all. */
export function isInForce(slot: Pick<OperatorTerms, 'status' | 'expires'>, now: Date): boolean {
  return slot.status === 'active' && (slot.expires === null || now.getTime() < Date.parse(slot.expires));
}

/** Whether it takes this access key id: of the slot's kind and, when registered, one that the slot lists. */
export function isUsable(slot: OperatorTerms, key: AccessKey, now: Date): boolean {
  if (!isInForce(slot, now)) return false;
  if (key.kind === 'sealed') return slot.accessKeyId === 'sealed';
  return slot.accessKeyId === 'registered' && slot.registeredIds.includes(key.registeredId);
}

/** Whether a key works at least until the other stops working by itself. */
export function livesAsLong(own: Pick<OperatorTerms, 'expires'>, other: Pick<OperatorTerms, 'expires'>): boolean {
  if (own.expires === null) return true;
  return other.expires !== null && Date.parse(other.expires) <= Date.parse(own.expires);
}

/** Whether the API key stands in the state, sealed under the seal key. */
export function isServerManaged({ accessKeyId }: Pick<OperatorTerms, 'accessKeyId'>): boolean {
  return accessKeyId === 'registered';
}

/**
 * Ids of the seal keys that made the access key ids of a slot in force. Of a registered id its check tells; of a sealed one
 * only the last that was made is known.
 */
export function sealKeyIdsOf(
  slot: OperatorTerms,
  o: { readonly sealKeys: SealKeys; readonly now: Date },
): readonly string[] {
  if (!isInForce(slot, o.now)) return [];
  if (slot.accessKeyId === 'sealed') return [slot.idKid];
  return slot.registeredIds.flatMap((id) => sealKeyOfId(id, o.sealKeys)?.kid ?? []);
}
