/**
 * `sealgate policy check | simulate`: what a policy means, before a key has it (docs/access.md). Neither needs a setting or a
 * network, and both use the evaluator that servers use.
 *
 * Exit codes: 0 done, or allowed; 1 the policy cannot be used; 2 the command line was wrong; 3 simulate: denied.
 */
import { ACTIONS, type Action, isAction } from '../access/actions.ts';
import type { ContextKey } from '../access/context.ts';
import { conditionKey } from '../access/language/condition-keys.ts';
import type { Statement } from '../access/policy.ts';
import { resourceOfArn } from '../access/resource.ts';
import { suggestion } from '../config/nearest.ts';
import { type Output, parseCommand, runNamed, shape, UsageError } from './command-line.ts';
import { type PolicyFile, readPolicyFile } from './policy-file.ts';
import { PROCESS_OUTPUT } from './process-output.ts';

export const POLICY_USAGE = `Usage:
  sealgate policy check    FILE [--json]                          - for standard input
  sealgate policy simulate FILE --action A --resource ARN [--context KEY=VALUE ...] [--json]

check     reads an IAM policy as key create --policy does, and says what each statement does
simulate  asks the policy one question, and says which statement decides.
          A resource is arn:aws:s3:::BUCKET or arn:aws:s3:::BUCKET/KEY.
          Keys are those that a policy may name, such as aws:SourceIp=203.0.113.9 or s3:prefix=a/

Exit codes: 0 done, or allowed; 1 the policy cannot be used; 2 the command line was wrong; 3 simulate: denied.
`;

interface PolicyOptions extends Output {
  readonly stdin: AsyncIterable<Buffer>;
}

/** `args`: what follows `policy`. Returns the exit code. */
export function policyCommand(args: readonly string[]): Promise<number> {
  const o = { ...PROCESS_OUTPUT, stdin: process.stdin };
  return runNamed(args, { check, simulate }, o, { command: 'policy', usage: POLICY_USAGE });
}

const CHECK = shape(['FILE'], { json: { type: 'boolean' } });

async function check(args: readonly string[], o: PolicyOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, CHECK);
  const { policy, text, unknownActions } = await readPolicyFile(positionals[0] ?? '-', o.stdin);
  const statements = policy.statements.map(({ sid, effect, actions, conditions }) => ({
    sid,
    effect,
    actions: [...actions],
    conditions: conditions.length,
  }));
  if (values.json === true) {
    o.out(JSON.stringify({ characters: text.length, statements, unknownActions }));
    return 0;
  }
  for (const statement of policy.statements) o.out(describe(statement));
  for (const action of unknownActions) o.out(`warning: ${action} matches no action of this endpoint`);
  return 0;
}

function describe({ sid, effect, actions, conditions }: Statement): string {
  const names = actions.size === ACTIONS.length ? 'every action' : [...actions].join(', ') || 'no action';
  const count = conditions.length;
  const hold = count === 1 ? '1 condition holds' : `${count} conditions hold`;
  const when = count === 0 ? '' : `, when ${hold}`;
  return `${sid}: ${effect === 'allow' ? 'allows' : 'denies'} ${names}${when}`;
}

const SIMULATE = shape(['FILE'], {
  action: { type: 'string' },
  resource: { type: 'string' },
  context: { type: 'string', multiple: true },
  json: { type: 'boolean' },
});

async function simulate(args: readonly string[], o: PolicyOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, SIMULATE);
  const action = actionOf(values.action);
  if (values.resource === undefined) throw new UsageError('--resource is missing: an ARN.');
  const resource = resourceOfArn(values.resource);
  if (resource === undefined) throw new UsageError('--resource is arn:aws:s3:::BUCKET or arn:aws:s3:::BUCKET/KEY.');
  const { policy }: PolicyFile = await readPolicyFile(positionals[0] ?? '-', o.stdin);
  const { effect, statement } = policy.judge(action, resource, contextOf(values.context ?? []));
  const decision = effect === 'allow' ? 'allowed' : 'denied';
  const by = statement.endsWith('/none')
    ? 'no statement allows it'
    : `by ${statement.slice(statement.indexOf('/') + 1)}`;
  o.out(values.json === true ? JSON.stringify({ decision, statement }) : `${decision}: ${by}`);
  return effect === 'allow' ? 0 : 3;
}

function actionOf(text: string | undefined): Action {
  if (text === undefined) throw new UsageError('--action is missing: such as s3:GetObject.');
  const known = ACTIONS.find((action) => action.toLowerCase() === text.toLowerCase());
  if (known !== undefined && isAction(known)) return known;
  throw new UsageError(`There is no action '${text}'.${suggestion(text, ACTIONS)}`);
}

function contextOf(texts: readonly string[]): ReadonlyMap<ContextKey, string> {
  return new Map(
    texts.map((text) => {
      const cut = text.indexOf('=');
      if (cut < 1) throw new UsageError('--context is KEY=VALUE.');
      return [conditionKey(text.slice(0, cut)), text.slice(cut + 1)];
    }),
  );
}
