/**
 * What conditions of a policy can ask about a request. A key is computed when a condition asks for it, and most requests
 * meet none that does. Names are IAM's where IAM has the key; those of `sealgate:` are this program's own.
 */
export type ContextKey =
  /** The tenant of the caller, as IAM's variable for the user who asks. */
  | 'aws:username'
  /** What a listing is limited to. Every listing has it, '' without the parameter; nothing else has it. */
  | 's3:prefix'
  /** Of a change of a key: `within` when that key reaches no further than the caller's, else `beyond`. */
  | 'sealgate:KeyReach';

export interface Context {
  /** `undefined`: the request has no such key. */
  get(key: ContextKey): string | undefined;
}

export type ContextValues = Partial<Record<ContextKey, () => string | undefined>>;

export function contextOf(values: ContextValues): Context {
  return { get: (key) => values[key]?.() };
}
