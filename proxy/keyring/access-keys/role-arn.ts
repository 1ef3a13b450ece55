/**
 * ARNs of roles (crypto/FORMAT.md, "ARNs of roles"): "arn:aws:iam::000000000000:role/NAME", and behind it for a role that is not
 * managed the role's secret, sealed under the seal key with the name. Of a managed role the same stands in the state, under
 * roles/NAME. An ARN tells the server how to open a tenant and not who may ask for it: that is for a token to say.
 *
 * Layout: key tag 1 | nonce 12 | AES-256-GCM(tenant 12 | slot 4 | secret 32) | GCM tag 16.
 */
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import { frame } from '../../../crypto/keys.ts';
import { SLOT_BYTES, TENANT_BYTES } from '../ids.ts';
import { ROLE_NAME } from '../slots/role-slot.ts';
import type { SealKey, SealKeys } from './seal-keys.ts';

const PREFIX = 'arn:aws:iam::000000000000:role/';
const SEALED_PREFIX = 'SGR1';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SECRET_BYTES = 32;
const SEALED_BYTES = 1 + NONCE_BYTES + TENANT_BYTES + SLOT_BYTES + SECRET_BYTES + TAG_BYTES;
export const ROLE_RECORDS = 'roles/';

export interface RoleArn {
  readonly name: string;
  /** Undefined for the ARN of a managed role. */
  readonly sealed: Buffer | undefined;
}

/** What the ARN of a role, or the record of a managed role, opens. */
export interface RoleSecret {
  /** 24 hex digits. */
  readonly tenant: string;
  /** 8 hex digits. */
  readonly slot: string;
  /** 32 bytes, for the caller to wipe. */
  readonly slotSecret: Buffer;
}

interface Use {
  readonly key: (sealKey: SealKey) => KeyObject;
  readonly label: string;
}

const ARN: Use = { key: ({ roleArnKey }) => roleArnKey, label: SEALED_PREFIX };
const RECORD: Use = { key: ({ roleRecordKey }) => roleRecordKey, label: 'sealgate-role/1' };

/** The ARN without its sealed part, as everybody may see it. */
export function shortArn(name: string): string {
  return PREFIX + name;
}

/** Parses the ARN of a role. `undefined`: the text does not have the one form of such ARNs. */
export function parseRoleArn(arn: string): RoleArn | undefined {
  const [name = '', sealed, ...rest] = arn.startsWith(PREFIX) ? arn.slice(PREFIX.length).split('/') : [];
  if (!ROLE_NAME.test(name) || rest.length > 0) return undefined;
  if (sealed === undefined) return { name, sealed: undefined };
  const body = sealed.slice(SEALED_PREFIX.length);
  const bytes = Buffer.from(body, 'base64url');
  if (!sealed.startsWith(SEALED_PREFIX) || bytes.length !== SEALED_BYTES) return undefined;
  return bytes.toString('base64url') === body ? { name, sealed: bytes } : undefined;
}

/** 103 characters behind the name. */
export function sealRoleArn(secret: RoleSecret, o: { name: string; sealKey: SealKey }): string {
  return `${shortArn(o.name)}/${SEALED_PREFIX}${seal(secret, ARN, o).toString('base64url')}`;
}

/** Opens the sealed part. `undefined`: it was sealed under none of the keys, or for another name. */
export function openRoleArn(sealed: Buffer, o: { name: string; sealKeys: SealKeys }): RoleSecret | undefined {
  return open(sealed, ARN, o);
}

export function roleRecordName(name: string): string {
  return ROLE_RECORDS + name;
}

export function sealRoleRecord(secret: RoleSecret, o: { name: string; sealKey: SealKey }): Buffer {
  return seal(secret, RECORD, o);
}

export function openRoleRecord(body: Buffer, o: { name: string; sealKeys: SealKeys }): RoleSecret | undefined {
  return open(body, RECORD, o);
}

function seal({ tenant, slot, slotSecret }: RoleSecret, use: Use, o: { name: string; sealKey: SealKey }): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', use.key(o.sealKey), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(additionalData(use, o.sealKey, o.name));
  const content = Buffer.concat([Buffer.from(tenant, 'hex'), Buffer.from(slot, 'hex'), slotSecret]);
  const sealed = [cipher.update(content), cipher.final(), cipher.getAuthTag()];
  content.fill(0);
  return Buffer.concat([Buffer.of(o.sealKey.tag), nonce, ...sealed]);
}

function open(bytes: Buffer, use: Use, o: { name: string; sealKeys: SealKeys }): RoleSecret | undefined {
  if (bytes.length !== SEALED_BYTES) return undefined;
  for (const sealKey of o.sealKeys.withTag(bytes.readUInt8(0))) {
    const nonce = bytes.subarray(1, 1 + NONCE_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', use.key(sealKey), nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(additionalData(use, sealKey, o.name));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const content = decipher.update(bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES));
    try {
      decipher.final();
    } catch {
      content.fill(0);
      continue;
    }
    const tenant = content.toString('hex', 0, TENANT_BYTES);
    const slot = content.toString('hex', TENANT_BYTES, TENANT_BYTES + SLOT_BYTES);
    return { tenant, slot, slotSecret: content.subarray(TENANT_BYTES + SLOT_BYTES) };
  }
  return undefined;
}

function additionalData({ label }: Use, { kid }: SealKey, name: string): Buffer {
  return frame(Buffer.from(label), Buffer.from(kid), Buffer.from(name));
}
