/** What a policy may look at of a request. Values are text as a policy would write them, and are made when they are asked for. */
import type { ConditionKey } from './condition-keys.ts';

export interface ContextValues {
  /** Numbers in decimal, times in ISO 8601, booleans as `true` and `false`. Undefined: the request has no such key. */
  get(key: ConditionKey): string | undefined;
}
