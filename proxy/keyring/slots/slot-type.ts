/**
 * What each type of slot has to say for itself (crypto/FORMAT.md, "Keyring and access key ids", slots). A slot is one way to
 * the tenant's root keys. Its type has one file, which answers every question that code about keyrings asks of a slot, and
 * one row in slot-types.ts. Such code asks the row and names no type, so a new type cannot be forgotten anywhere.
 */
import type { KeyObject } from 'node:crypto';
import type { z } from 'zod';
import type { KmsSecrets } from '../../kms/kms-secrets.ts';
import type { AccessKey } from '../access-keys/access-key-id.ts';
import type { SealKeys } from '../access-keys/seal-keys.ts';
import type { Grant } from '../grants.ts';
import type { JsonValue } from '../state/canonical-json.ts';
import type { KdfRunner } from './kdf.ts';

/** Root keys by epoch number. */
export type RootKeys = ReadonlyMap<number, KeyObject>;

/** `wrong-key`: what was tried is not this slot's key. `damaged`: the key is right, and yet a wrap does not open. */
export type OpenedSlot =
  | {
      readonly roots: RootKeys;
      /** Milliseconds since 1970: the root keys are to be given up then. Absent where only the keyring's own time counts. */
      readonly until?: number;
    }
  | { readonly failure: 'wrong-key' | 'damaged' };

/** The members that slots of every type have. */
export interface AnySlot {
  readonly type: string;
  /** 8 hex digits. */
  readonly id: string;
  readonly created: string;
  /** One for each epoch in use. */
  readonly wraps: readonly { readonly epoch: number }[];
}

/** What opens a slot that access key ids name: the API key that was in the id. */
export interface KeyOpening {
  /** See `kdfInput`. */
  readonly secret: Buffer;
  readonly runner: KdfRunner;
  /** Absent where no KMS is configured. */
  readonly kms?: KmsSecrets | undefined;
}

/** What opens a slot that gives sessions: the caller's part of its secret, as a session token carries it. No KDF runs. */
export interface SecretOpening {
  /** 32 bytes. */
  readonly slotSecret: Buffer;
  /** Absent where no KMS is configured. */
  readonly kms?: KmsSecrets | undefined;
}

/** What a deep rotation was given to take slots along. */
export interface AtHand {
  readonly keys: readonly AccessKey[];
  /** Secrets of roles by slot. */
  readonly roleSecrets: ReadonlyMap<string, Buffer>;
}

/** Seals the same slot again, same id, for the root keys of other epochs. */
export type Reseal<S> = (
  o: {
    readonly tenant: string;
    readonly roots: RootKeys;
    readonly runner: KdfRunner;
    readonly kms: KmsSecrets;
    readonly now: Date;
  },
  signal: AbortSignal,
) => Promise<S>;

/** `Sealing`, `Opening`: what this type needs, besides the root keys and the slot, to seal and to open one. */
export interface SlotType<S extends AnySlot, Sealing = never, Opening = never> {
  readonly type: S['type'];
  /** Refuses unknown members. */
  readonly schema: z.ZodType<S>;
  /** Slots of this type in one keyring, at most. */
  readonly most: number;
  /**
   * Whether an access key id can name such a slot. If so, the slot signs requests and has the terms of a key: grants, expiry,
   * status, kind of access key id, a last use. No access key id opens a slot of another type.
   */
  readonly signs: boolean;
  /** Whether whoever holds the seal key can take such a slot away alone. If not, that takes the root key. */
  readonly operatorRemoves: boolean;
  /** Whether a key of a KMS must agree. A keyring that requires it has no slots of other types. */
  readonly needsKms: boolean;

  /** The members under the root MAC, `wraps` aside; also the additional data of each wrap. `type` and `id` are among them. */
  record(slot: S): { readonly [name: string]: JsonValue };
  /** What is wrong between the slot's members, which the schema sees one by one. */
  fault(slot: S): string | undefined;
  /** The most that requests under the slot may reach, a policy taken for everything; none for a slot that serves no request. */
  grants(slot: S): readonly Grant[];
  /** Whether what servers and their state hold opens the slot without a secret of the tenant: labelled wherever it is shown. */
  serverManaged(slot: S): boolean;
  /** Ids of the seal keys that holders of the slot still depend on: it stops when one of them is dropped. */
  sealKeyIds(slot: S, o: { readonly sealKeys: SealKeys; readonly now: Date }): readonly string[];
  /** What an operator is shown of it besides id, type, time and epochs. Nothing in it opens anything. */
  details(slot: S): Readonly<Record<string, string>>;
  /** How the slot goes along into a new epoch; `undefined` when what that takes is not at hand. */
  reseal(slot: S, atHand: AtHand): Reseal<S> | undefined;

  /** Seals each root key. The keyring's root MAC must be made anew over the result. */
  seal(o: { readonly tenant: string; readonly roots: RootKeys } & Sealing, signal: AbortSignal): Promise<S>;
  /** Opens every wrap, or none. Whether the root keys are the keyring's own is for its root MAC to say. */
  open(o: { readonly tenant: string; readonly slot: S } & Opening, signal: AbortSignal): Promise<OpenedSlot>;
  /** As `open`, by the caller's part alone. A type without it gives no sessions. */
  openBySecret?(
    o: { readonly tenant: string; readonly slot: S } & SecretOpening,
    signal: AbortSignal,
  ): OpenedSlot | Promise<OpenedSlot>;
}
