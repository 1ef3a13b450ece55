/** What random sequences reached: how often each operation was answered with which outcome by both sides. */
import { ALGORITHMS, type Algorithm } from '../../helpers/reference-checksums.ts';
import { codeOf } from '../compare.ts';
import type { Exchange, StoreName } from '../difference.ts';
import type { TwinReply } from '../send.ts';
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

/** What a store has not, so that neither side succeeds. */
const NOT_THERE: Readonly<Partial<Record<StoreName, ReadonlySet<string>>>> = {
  embedded: new Set(['GET object?attributes']),
};

/** What requests ask for beside their operation, and which of the two outcomes the proxy has to have shown. */
interface Feature {
  readonly name: string;
  readonly succeeds: readonly StoreName[];
  readonly fails: readonly StoreName[];
  has(exchange: Exchange): boolean;
}

const EVERY: readonly StoreName[] = ['embedded', 'moto-strict', 'moto', 'minio'];
/** Here bare-server.ts and the strict wrapper verify and decide what the store itself does not. */
const EXACT: readonly StoreName[] = ['embedded', 'moto-strict'];

const sends = ({ request }: Exchange, name: RegExp): boolean =>
  request.headers?.some(([found]) => name.test(found)) === true || name.test(request.trailer?.[0] ?? '');

const conditional = (operation: string, succeeds: readonly StoreName[]): Feature => ({
  name: `${operation}, conditional`,
  succeeds,
  fails: EVERY,
  has: (exchange) => exchange.operation === operation && sends(exchange, /^if-(none-)?match$/),
});

const promised = (algorithm: Algorithm): Feature => ({
  name: `promised ${algorithm}`,
  succeeds: EVERY,
  fails: EXACT,
  has: (exchange) => sends(exchange, new RegExp(`^x-amz-checksum-${algorithm}$`, 'i')),
});

/** MinIO refuses such keys, so it is not asked. */
const named = (name: string, pattern: RegExp): Feature => ({
  name: `key with ${name}`,
  succeeds: [...EXACT, 'moto'],
  fails: [...EXACT, 'moto'],
  has: ({ request }) => pattern.test(request.key ?? ''),
});

const FEATURES: readonly Feature[] = [
  ...ALGORITHMS.map(promised),
  conditional('PUT object', EVERY),
  conditional('PUT object+copy', EVERY),
  conditional('POST object?uploadId', EVERY),
  // Elsewhere it cannot be decided, and is NotImplemented.
  conditional('DELETE object', EXACT),
  named('..', /(^|\/)\.\.(\/|$)/),
  named('//', /\/\//),
];

export class Coverage {
  /** operation or feature -> outcome -> times */
  readonly #reached = new Map<string, Map<string, number>>();
  readonly #store: StoreName;

  constructor(store: StoreName) {
    this.#store = store;
  }

  add({ exchanges }: SequenceResult): void {
    for (const exchange of exchanges) {
      this.#count(exchange.operation, exchange.bare);
      for (const feature of FEATURES) if (feature.has(exchange)) this.#count(feature.name, exchange.proxy);
    }
  }

  #count(what: string, reply: TwinReply): void {
    const outcomes = this.#reached.get(what) ?? new Map<string, number>();
    this.#reached.set(what, outcomes);
    const outcome = `${reply.status} ${codeOf(reply) ?? ''}`.trim();
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
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

  /** Operations and features that were expected to succeed, or to fail, and never did. */
  missing(): readonly string[] {
    const store = this.#store;
    return [
      ...OPERATIONS.flatMap((operation) => {
        const succeeds = !NEVER_SUCCEED.has(operation) && NOT_THERE[store]?.has(operation) !== true;
        const fails = !NEVER_FAIL.has(operation) && !RARELY_FAIL.has(operation);
        return this.#lacks(operation, { succeeds, fails });
      }),
      ...FEATURES.flatMap(({ name, succeeds, fails }) =>
        this.#lacks(name, { succeeds: succeeds.includes(store), fails: fails.includes(store) }),
      ),
    ];
  }

  #lacks(what: string, expected: { succeeds: boolean; fails: boolean }): readonly string[] {
    const outcomes = [...(this.#reached.get(what)?.keys() ?? [])].map((outcome) => Number.parseInt(outcome, 10));
    return [
      ...(expected.succeeds && !outcomes.some((status) => status < 300) ? [`${what} with success`] : []),
      ...(expected.fails && !outcomes.some((status) => status >= 400) ? [`${what} with an error`] : []),
    ];
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
