/** The messages between a process and its writer thread. */
import type { ErrorDetails, S3Error } from '../../errors.ts';
import type { MutationName } from './mutations/mutations.ts';

export interface MutationMessage {
  readonly id: number;
  readonly name: MutationName;
  readonly argument: unknown;
  /** It may take what the store keeps in reserve. */
  readonly isEssential?: boolean;
}

export type ToWriter = MutationMessage | { readonly close: true };

export type Outcome =
  | { readonly id: number; readonly result: unknown }
  | {
      readonly id: number;
      readonly refused: {
        readonly code: S3Error['code'];
        readonly status: number;
        readonly message: string;
        readonly details: ErrorDetails;
      };
    }
  | { readonly id: number; readonly failed: string; readonly isFull: boolean };

export type FromWriter =
  | { readonly ready: { readonly owner: string } }
  | { readonly outcomes: readonly Outcome[]; readonly garbage: readonly string[] }
  | { readonly closed: true };
