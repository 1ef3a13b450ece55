/** The kinds of trouble that the proxy can have with its store, and how one is told. */

/** By kind: who can mend it. `operator`: a setting, a credential, a permission or a clock has to change. `store`: it may pass by itself. */
const MENDED_BY = {
  'unknown-key-id': 'operator',
  'wrong-secret': 'operator',
  'clock-skew': 'operator',
  'expired-credentials': 'operator',
  'no-credentials': 'operator',
  'wrong-region': 'operator',
  'access-denied': 'operator',
  'bucket-of-another': 'operator',
  'no-bucket': 'operator',
  'wrong-scheme': 'operator',
  'unknown-host': 'operator',
  'tls-untrusted': 'operator',
  'tls-expired': 'operator',
  'tls-hostname': 'operator',
  'tls-client-certificate': 'operator',
  'tls-failed': 'operator',
  'not-s3': 'operator',
  refused: 'operator',
  'connection-refused': 'store',
  'proxy-failed': 'store',
  unreachable: 'store',
  silent: 'store',
  failing: 'store',
  full: 'store',
} as const;

export type StoreTroubleKind = keyof typeof MENDED_BY;

export interface StoreTrouble {
  readonly kind: StoreTroubleKind;
  /** What is wrong, a sentence. */
  readonly what: string;
  /** What to do about it, one or two sentences. */
  readonly advice: string;
  /** What the store said, with its status, code and message; '' when it said nothing. */
  readonly answer: string;
}

/** Waiting does not cure it: somebody has to change a setting, a credential, a permission or a clock. */
export function needsOperator({ kind }: Pick<StoreTrouble, 'kind'>): boolean {
  return MENDED_BY[kind] === 'operator';
}

/** All of it in a few sentences, for a terminal. */
export function troubleText({ what, advice, answer }: StoreTrouble): string {
  return [what, advice, answer === '' ? '' : `The store's answer: ${answer}`].filter((text) => text !== '').join(' ');
}

/** All kinds: each is a series of the metrics from the start on. */
export function storeTroubleKinds(): readonly StoreTroubleKind[] {
  return Object.keys(MENDED_BY) as StoreTroubleKind[];
}
