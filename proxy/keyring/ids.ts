/** Ids of tenants and slots: random, stable, never derived from a name or a key (crypto/FORMAT.md, keyring ids). */
import { randomBytes } from 'node:crypto';

export const TENANT_BYTES = 12;
export const SLOT_BYTES = 4;

/** 24 hex digits. */
export function newTenantId(): string {
  return randomBytes(TENANT_BYTES).toString('hex');
}

/** 8 hex digits, not among `used`. */
export function newSlotId(used: ReadonlySet<string> = new Set()): string {
  for (;;) {
    const id = randomBytes(SLOT_BYTES).toString('hex');
    if (!used.has(id)) return id;
  }
}

export function isTenantId(text: string): boolean {
  return /^[0-9a-f]{24}$/.test(text);
}
