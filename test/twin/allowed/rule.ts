/** What a rule about an allowed difference is, and the forms that most of them have. */
import { outcomeOf } from '../compare.ts';
import type { Difference, Exchange, StoreName } from '../difference.ts';

export interface Allowed {
  readonly name: string;
  readonly reason: string;
  /** Stores on which it occurs; all when left out. */
  readonly stores?: readonly StoreName[];
  allows(difference: Difference, exchange: Exchange): boolean;
}

/** `[operation, what the store answers, what the proxy answers]`, each whole; several alternatives are separated by `|`. */
export type Outcome = readonly [operation: string, bare: string, proxy: string];

/** Allowed where both sides answer as one of the rows says. */
export function outcomes(
  rule: Omit<Allowed, 'allows'> & { rows: readonly Outcome[]; when?: (exchange: Exchange) => boolean },
): Allowed {
  const { rows, when, ...rest } = rule;
  return {
    ...rest,
    allows: ({ at }, exchange) =>
      at === 'outcome' &&
      (when?.(exchange) ?? true) &&
      rows.some(
        ([operation, bare, proxy]) =>
          one(operation, exchange.operation) &&
          one(bare, outcomeOf(exchange.bare)) &&
          one(proxy, outcomeOf(exchange.proxy)),
      ),
  };
}

const one = (alternatives: string, value: string): boolean => alternatives.split('|').includes(value);

/** Allowed at these places where the proxy says nothing and the store something. */
export const bareOnly = ({ bare, proxy }: Difference): boolean => bare !== undefined && proxy === undefined;
export const proxyOnly = ({ bare, proxy }: Difference): boolean => bare === undefined && proxy !== undefined;

/** The code of an error document; '' without one. */
export function codeIn(reply: Exchange['proxy']): string {
  return /<Code>([\w.]+)<\/Code>/.exec(reply.body.toString('utf8'))?.[1] ?? '';
}

/** Value of a request header; '' without one. */
export function sent({ request }: Exchange, name: string): string {
  return request.headers?.find(([found]) => found.toLowerCase() === name)?.[1] ?? '';
}

/** The query as one text, `a=b&c`. */
export function queryText({ request }: Exchange): string {
  const { query = '' } = request;
  return typeof query === 'string' ? query : query.map((pair) => pair.join('=')).join('&');
}
