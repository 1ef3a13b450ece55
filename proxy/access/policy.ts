/**
 * The form that every policy compiles to, and how it is judged: statements that allow or deny actions on resources under
 * conditions. A Deny wins over every Allow, and what no statement allows is denied (IAM user guide, "Policy evaluation
 * logic"). Grants compile to it in grants-policy.ts, the server's own rules in server-policy.ts; another language is another
 * compiler. A policy is compiled once and judged for every request.
 */
import type { Action } from './actions.ts';
import type { Context } from './context.ts';
import type { Resource } from './resource.ts';

export interface Statement {
  /** Names the statement in decisions and events. Several statements may share one name. */
  readonly sid: string;
  readonly effect: 'allow' | 'deny';
  readonly actions: ReadonlySet<Action>;
  /** Any of them must match. */
  readonly resources: readonly ResourcePattern[];
  /** All of them must hold. */
  readonly conditions: readonly Condition[];
}

export interface ResourcePattern {
  matches(resource: Resource, context: Context): boolean;
  /** Whether it can match the bucket, or anything in it. */
  mayReach(bucket: string): boolean;
  /** Whether it surely matches everything that `other` matches; false when that is not known. */
  contains(other: ResourcePattern): boolean;
}

export interface Condition {
  holds(context: Context): boolean;
  /** Whether it surely holds wherever `other` holds; false when that is not known. */
  isImpliedBy(other: Condition): boolean;
}

/** What one policy says to one question. `statement`: `<policy>/<sid>`. */
export interface Verdict {
  readonly effect: 'allow' | 'deny';
  readonly statement: string;
}

/** What `decide` asks of a policy. */
export type Judge = Pick<Policy, 'statements' | 'silence' | 'judge'>;

export class Policy {
  readonly name: string;
  readonly statements: readonly Statement[];
  /** What no statement speaks of. */
  readonly silence: Verdict;
  readonly #byAction = new Map<Action, readonly (readonly [statement: Statement, verdict: Verdict])[]>();

  /** `name`: where the policy comes from, for decisions and events. */
  constructor(name: string, statements: readonly Statement[]) {
    this.name = name;
    this.statements = statements;
    this.silence = { effect: 'deny', statement: `${name}/none` };
    // Denials first: the first statement that applies is the verdict.
    const ordered = [...statements].sort((a, b) => Number(b.effect === 'deny') - Number(a.effect === 'deny'));
    for (const action of new Set(statements.flatMap(({ actions }) => [...actions]))) {
      const own = ordered.filter(({ actions }) => actions.has(action));
      const verdict = ({ effect, sid }: Statement) => ({ effect, statement: `${name}/${sid}` });
      this.#byAction.set(
        action,
        own.map((statement) => [statement, verdict(statement)]),
      );
    }
  }

  /** `silence` itself where no statement applies. */
  judge(action: Action, resource: Resource, context: Context): Verdict {
    for (const [statement, verdict] of this.#byAction.get(action) ?? []) {
      if (applies(statement, resource, context)) return verdict;
    }
    return this.silence;
  }
}

function applies({ resources, conditions }: Statement, resource: Resource, context: Context): boolean {
  return (
    resources.some((pattern) => pattern.matches(resource, context)) &&
    conditions.every((condition) => condition.holds(context))
  );
}
