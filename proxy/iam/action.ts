/**
 * What an action of the query API is, and what it is given. One file per action in actions/; answer.ts finds and runs it.
 */

import { type Action, isAction } from '../access/actions.ts';
import type { Gate } from '../access/gate.ts';
import type { AccessKey } from '../keyring/access-keys/access-key-id.ts';
import type { OpenTenant } from '../keyring/open-tenant.ts';
import type { SessionIssuer } from '../keyring/sessions/issue-session.ts';
import type { Credential } from '../keyring/sessions/session-credential.ts';
import type { XmlElement } from '../xml/render-xml.ts';
import { QueryError } from './errors.ts';
import type { OwnKeys } from './own-keys.ts';
import type { QueryService } from './query-request.ts';
import type { RoleSession, WebIdentityRequest } from './sessions/web-identity-session.ts';

interface QueryActionProperties {
  /** As in the API reference. */
  readonly name: string;
  readonly service: QueryService;
  /** Parameters it understands besides Action and Version. Any other one is refused: it might have meant something else. */
  readonly parameters: readonly string[];
  /** Whether a list of tags is understood as well. */
  readonly takesTags?: true;
  /** For actions that need no permission in AWS. Only the rules of the server and those for every session apply. */
  readonly decidedBy?: 'server';
}

/** `run` gives the content of the `...Result` element; `undefined` for an action that has none. */
export type QueryAction = QueryActionProperties &
  (
    | { readonly forSessions?: never; readonly unsigned?: never; run(call: QueryCall): Promise<XmlElement | undefined> }
    | { readonly forSessions: true; readonly unsigned?: never; run(call: AnyCall): Promise<XmlElement | undefined> }
    | { readonly forSessions?: never; readonly unsigned: true; run(call: UnsignedCall): Promise<XmlElement> }
  );

/** A request that carries its authority in a parameter. */
export interface UnsignedCall {
  readonly parameters: ReadonlyMap<string, string>;
  webIdentity(o: Omit<WebIdentityRequest, 'requestId'>): Promise<RoleSession>;
}

/** A verified request, whose tenant is open. */
export interface AnyCall {
  readonly parameters: ReadonlyMap<string, string>;
  readonly credential: Credential;
  readonly tenant: OpenTenant;
  readonly signal: AbortSignal;
}

/** The same, made with one of the tenant's keys. */
export interface QueryCall extends AnyCall {
  readonly accessKey: AccessKey;
  /** The signature of the request in hex. It tells one request from another. */
  readonly signature: string;
  /** Decides about the key that a change names. */
  readonly gate: Gate;
  readonly keys: OwnKeys;
  readonly sessions: SessionIssuer;
  /** Region that clients are told. */
  readonly region: string;
  /** The key that an id or handle names, whatever tenant it is of. */
  resolve(accessKeyId: string): Promise<AccessKey>;
}

/** @throws QueryError MissingParameter */
export function required({ parameters }: Pick<AnyCall, 'parameters'>, name: string): string {
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
