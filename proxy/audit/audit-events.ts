/**
 * Which events are changes: of tenants, keys, roles, escrow, sessions, rotations, settings. A change happens only after its event is
 * written; everything else is about one request, and its event follows within seconds.
 */
import type { SecurityEvent, SecurityEventKind } from '../observe/events.ts';

const CONTROL: ReadonlySet<SecurityEventKind> = new Set<SecurityEventKind>([
  'server-started',
  'tenant-created',
  'tenant-renamed',
  'tenant-deleted',
  'tenant-recovered',
  'key-created',
  'key-rotated',
  'key-reissued',
  'key-revoked',
  'key-changed',
  'role-created',
  'role-changed',
  'role-deleted',
  'session-issued',
  'escrow-sealed',
  'escrow-removed',
  'keyring-resigned',
  'epoch-begun',
  'epoch-retired',
  'bucket-changed',
  'migration-begun',
  'migration-ended',
  'audit-pruned',
]);

export function isControl({ kind }: Pick<SecurityEvent, 'kind'>): boolean {
  return CONTROL.has(kind);
}
