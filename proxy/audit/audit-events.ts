/**
 * Which events are changes: of tenants, keys, roles, escrow, key services, sessions, rotations, settings. A change happens only after its
 * event is written; everything else is about one request, and its event follows within seconds. Each kind stands here, so that a new one
 * cannot be forgotten.
 */
import type { SecurityEvent, SecurityEventKind } from '../observe/events.ts';

const IS_CHANGE: Readonly<Record<SecurityEventKind, boolean>> = {
  'server-started': true,
  'tenant-created': true,
  'tenant-renamed': true,
  'tenant-deleted': true,
  'tenant-recovered': true,
  'key-created': true,
  'key-rotated': true,
  'key-reissued': true,
  'key-revoked': true,
  'key-changed': true,
  'role-created': true,
  'role-changed': true,
  'role-deleted': true,
  'session-issued': true,
  'kms-attached': true,
  'kms-added': true,
  'kms-removed': true,
  'kms-required': true,
  'kms-rewrapped': true,
  'escrow-sealed': true,
  'escrow-removed': true,
  'keyring-resigned': true,
  'epoch-begun': true,
  'epoch-retired': true,
  'bucket-changed': true,
  'migration-begun': true,
  'migration-ended': true,
  'audit-pruned': true,
  'proxy-header-refused': false,
  'rate-limited': false,
  'signature-refused': false,
  'access-allowed': false,
  'access-denied': false,
  'object-tampered': false,
  'metadata-tampered': false,
  'foreign-object': false,
  'unencrypted-object': false,
  'keyring-tampered': false,
  'keyring-rollback': false,
  'last-used-tampered': false,
  'bucket-record-tampered': false,
  'bucket-record-rollback': false,
  'session-day-left': false,
  'session-used-up': false,
  'kms-grace': false,
  'escrow-failed': false,
  'change-failed': false,
  'audit-batch-invalid': false,
  'audit-segment-invalid': false,
  'audit-rolled-back': false,
};

export function isControl({ kind }: Pick<SecurityEvent, 'kind'>): boolean {
  return IS_CHANGE[kind];
}
