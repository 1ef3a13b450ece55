// Protects: whatever changes a way into a tenant waits until its event is written, and is given up when the event is not.
import { expect, test } from 'vitest';
import { AuditLog } from '../../../proxy/audit/audit-log.ts';
import { Collector } from '../../../proxy/audit/collector.ts';
import type { SecurityEventKind } from '../../../proxy/observe/events.ts';

const CHANGES: readonly SecurityEventKind[] = [
  'tenant-created',
  'key-created',
  'key-revoked',
  'role-created',
  'session-issued',
  'escrow-sealed',
  'kms-attached',
  'kms-added',
  'kms-removed',
  'kms-required',
  'kms-rewrapped',
  'epoch-begun',
];

test.each(CHANGES)('%s', async (kind) => {
  const collector = new Collector({ write: () => new Promise(() => {}), strict: false, waitMs: 20 });
  const actor = { agent: 'test', operator: 'nobody' };
  const log = new AuditLog({ collector, strict: false, region: 'eu-north-1', actor, now: () => new Date() });
  await expect(log.record({ kind, detail: 'x' })).rejects.toMatchObject({ code: 'ServiceUnavailable' });
});
