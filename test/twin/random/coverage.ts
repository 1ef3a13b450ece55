/** What random sequences reached: how often each operation was answered with which outcome by both sides. */
import { codeOf } from '../compare.ts';
import type { SequenceResult } from '../twin.ts';

/** Every operation has to be reached with success and with an error. Those that cannot fail on a bucket that is there: */
const NEVER_FAIL: ReadonlySet<string> = new Set([
  'PUT bucket',
  'PUT bucket?versioning',
  'GET bucket?location',
  'GET bucket?versioning',
]);
/** Asked for what is never there. */
const NEVER_SUCCEED: ReadonlySet<string> = new Set(['GET bucket?policy']);
/** Of a bucket that is there, and whose parameters are whatever the dice say; MinIO aborts what is not there. */
const RARELY_FAIL: ReadonlySet<string> = new Set([
  'GET bucket',
  'GET bucket?versions',
  'GET bucket?uploads',
  'DELETE object?uploadId',
]);

export class Coverage {
  /** operation -> outcome -> times */
  readonly #reached = new Map<string, Map<string, number>>();

  add({ exchanges }: SequenceResult): void {
    for (const { operation, bare } of exchanges) {
      const outcomes = this.#reached.get(operation) ?? new Map<string, number>();
      this.#reached.set(operation, outcomes);
      const outcome = `${bare.status} ${codeOf(bare) ?? ''}`.trim();
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  }

  table(): string {
    return [...this.#reached]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([operation, outcomes]) => {
        const counts = [...outcomes]
          .sort(([a], [b]) => a.localeCompare(b))
          .map(([outcome, times]) => `${outcome}: ${times}`);
        return `  ${operation.padEnd(36)} ${counts.join(', ')}`;
      })
      .join('\n');
  }

  /** Operations that were expected to succeed, or to fail, and never did. */
  missing(): readonly string[] {
    return OPERATIONS.flatMap((operation) => {
      const outcomes = [...(this.#reached.get(operation)?.keys() ?? [])];
      const succeeded = outcomes.some((outcome) => Number.parseInt(outcome, 10) < 300);
      const failed = outcomes.some((outcome) => Number.parseInt(outcome, 10) >= 400);
      const mayStayWhole = NEVER_FAIL.has(operation) || RARELY_FAIL.has(operation);
      return [
        ...(succeeded || NEVER_SUCCEED.has(operation) ? [] : [`${operation} with success`]),
        ...(failed || mayStayWhole ? [] : [`${operation} with an error`]),
      ];
    });
  }
}

/** All that the makers make, as `operationOf` names them. */
const OPERATIONS: readonly string[] = [
  ...['PUT bucket', 'PUT bucket?versioning', 'GET bucket', 'GET bucket?list-type', 'GET bucket?versions'],
  ...['GET bucket?uploads', 'GET bucket?location', 'GET bucket?versioning', 'GET bucket?policy', 'HEAD bucket'],
  ...['POST bucket?delete', 'PUT object', 'PUT object+copy', 'GET object', 'HEAD object', 'DELETE object'],
  ...['GET object?attributes', 'PUT object?tagging', 'GET object?tagging', 'DELETE object?tagging'],
  ...['POST object?uploads', 'PUT object?partNumber&uploadId', 'PUT object?partNumber&uploadId+copy'],
  ...['GET object?uploadId', 'POST object?uploadId', 'DELETE object?uploadId'],
];
