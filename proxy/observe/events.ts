/**
 * One event per security decision: refused signatures, tampered objects, keyring changes. The log writes them today; an
 * audit log attaches here later. Events never carry secrets, signatures or whole access key ids (use the fingerprint).
 */
export type SecurityEventKind =
  | 'signature-refused'
  | 'access-denied'
  | 'object-tampered'
  | 'metadata-tampered'
  | 'foreign-object'
  | 'keyring-tampered'
  | 'keyring-rollback'
  | 'last-used-tampered'
  | 'escrow-sealed'
  | 'escrow-failed'
  | 'escrow-removed'
  | 'tenant-recovered'
  | 'key-created'
  | 'key-rotated'
  | 'key-reissued'
  | 'key-revoked'
  | 'key-changed'
  | 'keyring-resigned'
  | 'epoch-begun'
  | 'epoch-retired'
  | 'tenant-deleted'
  | 'tenant-created';

export interface SecurityEvent {
  readonly kind: SecurityEventKind;
  /** What happened, in words for an operator. */
  readonly detail: string;
  readonly tenant?: string;
  /** Short fingerprint of the access key id, never of the key. */
  readonly accessKey?: string;
  readonly bucket?: string;
  readonly key?: string;
  readonly requestId?: string;
}

export type EmitSecurityEvent = (event: SecurityEvent) => void;
