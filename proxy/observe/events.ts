/**
 * One event for each decision about a request (access/gate.ts), allowed or refused, and one for everything else that matters
 * to security: refused signatures, tampered objects, keyring changes. All go through one sink, which may be awaited. Events
 * never carry secrets, signatures or whole access key ids (use the fingerprint).
 */
export const SECURITY_EVENT_KINDS = [
  'proxy-header-refused',
  'rate-limited',
  'signature-refused',
  'access-allowed',
  'access-denied',
  'object-tampered',
  'metadata-tampered',
  'foreign-object',
  'unencrypted-object',
  'keyring-tampered',
  'keyring-rollback',
  'last-used-tampered',
  'bucket-record-tampered',
  'bucket-record-rollback',
  'bucket-changed',
  'approvers-changed',
  'approvers-tampered',
  'approvers-rollback',
  'approval-requested',
  'approval-given',
  'approval-used',
  'approval-withdrawn',
  'seal-key-activated',
  'seal-key-record-tampered',
  'seal-key-record-rollback',
  'role-created',
  'role-changed',
  'role-deleted',
  'session-issued',
  'session-day-left',
  'session-used-up',
  'kms-attached',
  'kms-added',
  'kms-removed',
  'kms-required',
  'kms-rewrapped',
  'kms-grace',
  'escrow-sealed',
  'escrow-failed',
  'escrow-removed',
  'tenant-recovered',
  'key-created',
  'key-rotated',
  'key-reissued',
  'key-revoked',
  'key-changed',
  'keyring-resigned',
  'epoch-begun',
  'epoch-retired',
  'tenant-deleted',
  'tenant-created',
  'tenant-renamed',
  'migration-begun',
  'migration-ended',
  'server-started',
  'change-failed',
  'audit-pruned',
  'audit-batch-invalid',
  'audit-segment-invalid',
  'audit-rolled-back',
] as const;

export type SecurityEventKind = (typeof SECURITY_EVENT_KINDS)[number];

export interface SecurityEvent {
  readonly kind: SecurityEventKind;
  /** What happened, in words for an operator. */
  readonly detail: string;
  readonly tenant?: string;
  /** Short fingerprint of the access key id, never of the key. */
  readonly accessKey?: string;
  readonly bucket?: string;
  readonly key?: string;
  /** For a request that was refused before its bucket and key were known: the method, and the path without its query. */
  readonly method?: string;
  readonly path?: string;
  readonly requestId?: string;
  /** Where the request comes from, or the connection; absent when that is not known. CloudTrail's name. */
  readonly sourceIPAddress?: string;
}

/** What was decided about one action of a request. Names are CloudTrail's where CloudTrail has the field. */
export interface DecisionEvent extends SecurityEvent {
  readonly kind: 'access-allowed' | 'access-denied';
  /** The operation, as S3, IAM or STS name it. */
  readonly eventName: string;
  /** The permission that the operation needed, such as `s3:GetObject`. */
  readonly action: string;
  readonly decision: 'allow' | 'deny';
  /** The statement that decided: `<policy>/<statement>`, or `<policy>/none` where no statement of that policy allows the action. */
  readonly statement: string;
  /** ARN. */
  readonly resource: string;
  /** Whether the action changes nothing. */
  readonly readOnly: boolean;
  readonly tenant: string;
  readonly slot: string;
  readonly accessKey: string;
  readonly requestId: string;
}

/**
 * The sink for events. The action that an event reports waits until the sink has taken the event. A sink that stores events may
 * return a promise; when the promise rejects, the action does not happen.
 */
export type RecordEvent = (event: SecurityEvent | DecisionEvent) => Promise<void> | void;
