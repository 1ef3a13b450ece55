/**
 * What can be wrong with a log, by name. `tampered`: somebody who is no server changed it. `incomplete`: something cannot be known, as
 * the last moments of a server that was killed.
 */
export const FINDINGS = {
  'another-log': 'tampered',
  'batch-invalid': 'tampered',
  'batch-missing': 'tampered',
  'batches-replaced': 'tampered',
  'checkpoint-contradicted': 'tampered',
  'checkpoint-beyond': 'tampered',
  'count-wrong': 'tampered',
  'foreign-name': 'tampered',
  'second-version': 'tampered',
  'segment-altered': 'tampered',
  'segment-forged': 'tampered',
  'segment-gap': 'tampered',
  'segment-missing': 'tampered',
  'segment-out-of-chain': 'tampered',
  'segment-repeated': 'tampered',
  'segment-stray': 'tampered',
  'segment-under-another-name': 'tampered',
  'signed-by-another': 'tampered',
  'writer-went-on': 'tampered',
  'checkpoint-before': 'incomplete',
  'no-checkpoint': 'incomplete',
  'segment-late': 'incomplete',
  'writer-ended': 'incomplete',
} as const satisfies Readonly<Record<string, 'tampered' | 'incomplete'>>;

export type FindingKind = keyof typeof FINDINGS;

export interface Finding {
  readonly kind: FindingKind;
  readonly severity: 'tampered' | 'incomplete';
  /** Of a batch, a segment, a writer or a checkpoint. */
  readonly name: string;
  readonly detail: string;
}

export type TellFinding = (kind: FindingKind, name: string, detail: string) => void;
