/**
 * What an action of the query API is, and what it is given. One file per action in actions/; answer.ts finds and runs it.
 */

import { type Action, isAction } from '../access/actions.ts';
import type { Gate } from '../access/gate.ts';
import type { AccessKey } from '../keyring/access-keys/access-key-id.ts';
import type { OpenTenant } from '../keyring/open-tenant.ts';
import type { XmlElement } from '../xml/render-xml.ts';
import { QueryError } from './errors.ts';
import type { OwnKeys } from './own-keys.ts';
import type { QueryService } from './query-request.ts';

export interface QueryAction {
  /** As in the API reference. */
  readonly name: string;
  readonly service: QueryService;
  /** Parameters it understands besides Action and Version. Any other one is refused: it might have meant something else. */
  readonly parameters: readonly string[];
  /** The content of the `...Result` element; `undefined` for an action that has none. */
  run(call: QueryCall): Promise<XmlElement | undefined>;
}

/** A verified request, whose tenant is open. */
export interface QueryCall {
  readonly parameters: ReadonlyMap<string, string>;
  readonly accessKey: AccessKey;
  readonly tenant: OpenTenant;
  /** Of the request, hex: tells one request from another. */
  readonly signature: string;
  /** Decides about the key that a change names. */
  readonly gate: Gate;
  readonly keys: OwnKeys;
  /** Region that clients are told. */
  readonly region: string;
  /** The key that an id or handle names, whatever tenant it is of. */
  resolve(accessKeyId: string): Promise<AccessKey>;
  readonly signal: AbortSignal;
}

/** @throws QueryError MissingParameter */
export function required({ parameters }: QueryCall, name: string): string {
  const value = parameters.get(name) ?? '';
  if (value === '') throw new QueryError('MissingParameter', `The parameter ${name} is missing.`);
  return value;
}

/** The permission that an action needs. */
export function permissionOf({ service, name }: Pick<QueryAction, 'service' | 'name'>): Action {
  const permission = `${service}:${name}`;
  if (!isAction(permission)) throw new Error(`${permission} is not in the list of actions`);
  return permission;
}
