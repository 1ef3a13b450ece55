/**
 * What Sealgate asks of a key service (KMS): to wrap a secret of 32 bytes under a key that never leaves the KMS, and to unwrap the
 * secret for the same owner and no other (crypto/FORMAT.md, "Keyring and access key ids", secrets under a KMS key). Each kind
 * of KMS has a folder with a provider.
 */
import { frame } from '../../crypto/keys.ts';

/** What a secret is for. The KMS authenticates it, and refuses to unwrap the secret for anything else. */
export interface KmsOwner {
  readonly purpose: 'api-key+kms' | 'kms' | 'probe';
  /** 24 hex digits. */
  readonly tenant: string;
  /** 8 hex digits. */
  readonly slot: string;
}

export interface WrappedSecret {
  /** The key as the KMS itself names it: for a key that was given by an alias, what the alias stood for. */
  readonly key: string;
  /** Version of the key, as the KMS counts; '' where the KMS does not say. */
  readonly version: string;
  readonly blob: Buffer;
}

/** How a key stands at its KMS. */
export interface KmsKeyState {
  /** The version that wraps now; '' where the KMS does not say. */
  readonly current: string;
  /** The oldest version that still unwraps; '' where the KMS does not say. */
  readonly oldest: string;
}

export interface KmsProvider {
  /** Kind and name, as in SEALGATE_KMS: `transit:main`. */
  readonly name: string;
  /** The key that is meant where none is named, and that the provider is tried out with. */
  readonly key: string;
  /** @throws KmsFailure */
  wrap(
    secret: Buffer,
    o: { readonly key: string; readonly owner: KmsOwner },
    signal: AbortSignal,
  ): Promise<WrappedSecret>;
  /** The caller wipes the secret. @throws KmsFailure */
  unwrap(wrapped: WrappedSecret, owner: KmsOwner, signal: AbortSignal): Promise<Buffer>;
  /** @throws KmsFailure */
  keyState(key: string, signal: AbortSignal): Promise<KmsKeyState>;
  close(): Promise<void>;
}

/**
 * `unreachable`: no answer, or an answer that says the KMS is out of order. `throttled`: too many calls. `denied`: the KMS does not
 * let Sealgate use the key. `disabled`: the key, or the version of it, is switched off. `unknown-key`: there is no such key.
 * `mismatch`: the KMS says that the secret was wrapped for another owner, under another key, or was altered. `unusable`: the
 * provider or the key is set up in a way that cannot work.
 */
export const KMS_FAILURE_KINDS = [
  'unreachable',
  'throttled',
  'denied',
  'disabled',
  'unknown-key',
  'mismatch',
  'unusable',
] as const;

export type KmsFailureKind = (typeof KMS_FAILURE_KINDS)[number];

/** The message is for an operator: it holds no secret, no token and no blob. */
export class KmsFailure extends Error {
  readonly code = 'KMS_FAILURE';
  readonly kind: KmsFailureKind;
  constructor(kind: KmsFailureKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KmsFailure';
    this.kind = kind;
  }

  /** Whether the same call may work in a moment, with nothing changed at the KMS. */
  get isTransient(): boolean {
    return this.kind === 'unreachable' || this.kind === 'throttled';
  }
}

/** Additional data, for a KMS that takes bytes. */
export function ownerBytes({ purpose, tenant, slot }: KmsOwner): Buffer {
  return frame(
    Buffer.from('sealgate-kms/1'),
    Buffer.from(purpose),
    Buffer.from(tenant, 'hex'),
    Buffer.from(slot, 'hex'),
  );
}
