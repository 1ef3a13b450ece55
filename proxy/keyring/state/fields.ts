/**
 * The kinds of values that members of a keyring have (crypto/FORMAT.md, "Keyring and access key ids", keyring): each has one
 * written form, so that one meaning has one document.
 */
import { z } from 'zod';
import { MAX_KEYRING_EPOCHS } from '../../limits.ts';
import { SLOT_BYTES, TENANT_BYTES } from '../ids.ts';

/** Lower-case hex of that many bytes. */
export const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));

/** base64 of that many bytes, padded, unused bits zero. */
export const base64 = (bytes: number) =>
  z.string().refine((text) => {
    const decoded = Buffer.from(text, 'base64');
    return decoded.length === bytes && decoded.toString('base64') === text;
  });

/** `2026-01-31T23:59:59Z`: UTC, whole seconds, a day that exists. */
export const time = z
  .string()
  .refine((text) => /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/.test(text) && timestamp(new Date(text)) === text);

export const tenantId = hex(TENANT_BYTES);
/** The name of a tenant, for people. It never has the form of an id. '' means none. */
export const tenantName = z.string().refine((text) => text === '' || isTenantName(text));
export const slotId = hex(SLOT_BYTES);
export const epochNumber = z.int().min(1).max(0xffff_ffff);
/** Id of a seal key. */
export const sealKeyId = z.string().regex(/^[a-z0-9-]{1,16}$/);

/** One wrap for each epoch in use. `wrap`: an object that has an `epoch`. */
export const wrapsOf = <W extends z.ZodType<{ epoch: number }>>(wrap: W) =>
  z.array(wrap).min(1).max(MAX_KEYRING_EPOCHS);

export function isTenantName(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/.test(text) && !/^[0-9a-f]{24}$/.test(text);
}

/** UTC, whole seconds. */
export function timestamp(date: Date): string {
  return Number.isNaN(date.getTime()) ? '' : `${date.toISOString().slice(0, 19)}Z`;
}
