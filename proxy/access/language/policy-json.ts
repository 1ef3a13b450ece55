/**
 * A policy's JSON as its statements. Members are those of an identity policy: the principal is whoever holds the credentials, so
 * Principal has no place (IAM user guide, "Grammar of the IAM JSON policy language").
 */
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { MalformedPolicyDocument } from './malformed.ts';

export interface StatementJson {
  readonly sid: string | undefined;
  readonly effect: 'Allow' | 'Deny';
  readonly actions: readonly string[];
  readonly exceptActions: boolean;
  readonly resources: readonly string[];
  readonly exceptResources: boolean;
  readonly conditions: readonly ConditionJson[];
}

export interface ConditionJson {
  readonly operator: string;
  readonly key: string;
  readonly values: readonly string[];
}

const texts = z.union([z.string(), z.array(z.string()).min(1)]);
const value = z.union([z.string(), z.number(), z.boolean()]);
const statementSchema = z.strictObject({
  Sid: z.string().optional(),
  Effect: z.enum(['Allow', 'Deny']),
  Action: texts.optional(),
  NotAction: texts.optional(),
  Resource: texts.optional(),
  NotResource: texts.optional(),
  Condition: z.record(z.string(), z.record(z.string(), z.union([value, z.array(value).min(1)]))).optional(),
});
const policySchema = z.strictObject({
  Version: z.literal('2012-10-17'),
  Id: z.string().optional(),
  Statement: z.preprocess(listOf, z.array(statementSchema).min(1)),
});

/** @throws MalformedPolicyDocument */
export function readPolicyJson(text: string): StatementJson[] {
  const parsed = policySchema.safeParse(parseJson(text));
  if (!parsed.success) throw new MalformedPolicyDocument(explain(parsed.error));
  const statements = parsed.data.Statement;
  const sids = statements.flatMap(({ Sid }) => (Sid === undefined ? [] : [Sid]));
  if (new Set(sids).size !== sids.length) throw new MalformedPolicyDocument('Two statements have the same Sid.');
  return statements.map(statementOf);
}

function statementOf(statement: z.infer<typeof statementSchema>, index: number): StatementJson {
  const { Sid, Effect, Action, NotAction, Resource, NotResource, Condition = {} } = statement;
  const where = Sid ?? `statement ${index + 1}`;
  const conditions = Object.entries(Condition).flatMap(([operator, lines]) =>
    Object.entries(lines).map(([key, values]) => ({ operator, key, values: listOf(values).map(String) })),
  );
  return {
    sid: Sid,
    effect: Effect,
    actions: oneOf(where, 'Action', Action, NotAction),
    exceptActions: NotAction !== undefined,
    resources: oneOf(where, 'Resource', Resource, NotResource),
    exceptResources: NotResource !== undefined,
    conditions,
  };
}

function oneOf(where: string, name: string, yes: Texts | undefined, not: Texts | undefined): readonly string[] {
  if ((yes === undefined) === (not === undefined)) {
    throw new MalformedPolicyDocument(`${where}: it needs either ${name} or Not${name}.`);
  }
  return listOf(yes ?? not ?? []);
}

type Texts = z.infer<typeof texts>;

function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}

/** JSON whose objects name no member twice: one of the two would silently not count. */
function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text, refusePrototype);
  } catch (error) {
    if (error instanceof MalformedPolicyDocument) throw error;
    throw new MalformedPolicyDocument('The policy is not well-formed JSON.');
  }
  const [twice] = parseDocument(text, { version: '1.2', schema: 'json', uniqueKeys: true, stringKeys: true }).errors;
  if (twice !== undefined) throw new MalformedPolicyDocument('The policy names a member twice in one object.');
  return value;
}

/** Objects are read into plain ones, where this member would vanish. */
function refusePrototype(name: string, member: unknown): unknown {
  if (name === '__proto__') throw new MalformedPolicyDocument('The policy has a member named __proto__.');
  return member;
}

function explain(error: z.ZodError): string {
  const [issue] = error.issues;
  const path = issue?.path.join('.') ?? '';
  return `${path === '' ? 'The policy' : path}: ${issue?.message ?? 'not understood'}.`;
}
