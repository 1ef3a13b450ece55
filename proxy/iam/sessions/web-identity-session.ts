/**
 * From a token of an OpenID Connect issuer to a session of a role, for whoever asks without a key: the token is verified before
 * anything is looked up, the role must trust it, and the session ends with the token unless the role says otherwise.
 */
import { contextOf } from '../../access/context.ts';
import { Gate } from '../../access/gate.ts';
import { isTrusted, tagsOf } from '../../access/oidc/role-claims.ts';
import {
  type TrustedIssuer,
  verifyWebIdentity,
  type WebIdentity,
  WebIdentityError,
} from '../../access/oidc/web-identity.ts';
import type { Policy } from '../../access/policy.ts';
import { roleResource } from '../../access/resource.ts';
import { NO_SESSIONS } from '../../access/server-policy.ts';
import { parseRoleArn } from '../../keyring/access-keys/role-arn.ts';
import type { KeyringDeps } from '../../keyring/admin/change-keyring.ts';
import { type OpenedRole, openRole, usesIdOf } from '../../keyring/sessions/issue-role-session.ts';
import type { IssuedSession, SessionIssuer } from '../../keyring/sessions/issue-session.ts';
import type { RecordEvent } from '../../observe/events.ts';
import { LONGEST_ROLE_SESSION_SECONDS } from '../../session-limits.ts';
import { QueryError } from '../errors.ts';
import { MAX_USES, usesOf } from './session-parameters.ts';
import { fitting } from './session-reply.ts';

export interface WebIdentityDeps {
  readonly keyrings: KeyringDeps;
  readonly sessions: SessionIssuer;
  readonly issuers: readonly TrustedIssuer[];
  readonly server: Policy;
  readonly record: RecordEvent;
}

export interface WebIdentityRequest {
  /** Of the role, as it was given. */
  readonly arn: string;
  readonly token: string;
  readonly seconds: number;
  /** RoleSessionName. */
  readonly name: string;
  readonly policy: string | undefined;
  readonly requestId: string;
}

export interface RoleSession extends IssuedSession {
  readonly role: string;
  readonly slot: string;
  readonly tenant: string;
  readonly identity: WebIdentity;
}

/** What is not trusted and what is not there are told alike. */
const REFUSED = 'Not authorized to perform sts:AssumeRoleWithWebIdentity';

/** @throws QueryError; S3Error ServiceUnavailable */
export async function webIdentitySession(
  deps: WebIdentityDeps,
  o: WebIdentityRequest,
  signal: AbortSignal,
): Promise<RoleSession> {
  const identity = await identityOf(deps, o.token);
  const arn = parseRoleArn(o.arn);
  const role = arn && (await openRole(deps.keyrings, arn, signal));
  if (role === undefined) throw new QueryError('AccessDenied', REFUSED);
  try {
    await authorise(deps, role, { identity, requestId: o.requestId });
    const issued = await issue(deps, role, { ...o, identity }, signal);
    return { ...issued, role: role.slot.name, slot: role.slot.id, tenant: role.tenant, identity };
  } finally {
    role.callerSecret.fill(0);
  }
}

async function identityOf({ issuers, keyrings }: WebIdentityDeps, token: string): Promise<WebIdentity> {
  try {
    return await verifyWebIdentity(token, issuers, keyrings.now());
  } catch (cause) {
    if (!(cause instanceof WebIdentityError)) throw cause;
    throw new QueryError(cause.code, cause.message, { cause });
  }
}

/** The role's trust is what decides; the server's rules may forbid it all the same. */
async function authorise(
  { server, record }: WebIdentityDeps,
  { tenant, slot }: OpenedRole,
  o: { identity: WebIdentity; requestId: string },
): Promise<void> {
  const principal = { tenant, slot: slot.id, accessKey: '', policies: [server] } as const;
  const gate = new Gate({
    principal,
    requestId: o.requestId,
    eventName: 'AssumeRoleWithWebIdentity',
    context: contextOf({}),
    record,
  });
  const demand = { action: 'sts:AssumeRoleWithWebIdentity', resource: roleResource(slot.name) } as const;
  if (!isTrusted(slot.trust, o.identity)) {
    await gate.refuse(demand, { statement: `role/${slot.name}`, by: 'the trust of the role' });
    throw new QueryError('AccessDenied', REFUSED);
  }
  const { effect, statement } = await gate.decide(demand);
  if (effect === 'allow') return;
  const isUnsafe = statement === `server/${NO_SESSIONS}`;
  throw new QueryError(
    'AccessDenied',
    isUnsafe ? 'The storage here has no conditional writes: no sessions are issued.' : REFUSED,
  );
}

function issue(
  { sessions }: WebIdentityDeps,
  role: OpenedRole,
  o: WebIdentityRequest & { identity: WebIdentity },
  signal: AbortSignal,
): Promise<IssuedSession> {
  const { identity, name, policy, seconds } = o;
  const { trust } = role.slot;
  const { [MAX_USES]: usesTag, ...tags } = tagsFrom(role, identity);
  const limits = [...(trust.maxUses === 0 ? [] : [trust.maxUses]), ...(usesTag === undefined ? [] : [usesOf(usesTag)])];
  const details = {
    name,
    ...(policy === undefined ? {} : { policy }),
    ...(Object.keys(tags).length === 0 ? {} : { tags }),
    issuer: identity.issuer,
    subject: identity.subject,
    ...(limits.length === 0 ? {} : { maxUses: Math.min(...limits) }),
  };
  const until = trust.outlivesToken === 'yes' ? Number.POSITIVE_INFINITY : identity.expiresAt;
  const uses = limits.length === 0 ? {} : { uses: countedUnder(role, identity) };
  return fitting(sessions.issueForRole(role, { seconds, until, details, ...uses }, signal));
}

function tagsFrom({ slot }: OpenedRole, identity: WebIdentity): Readonly<Record<string, string>> {
  try {
    return tagsOf(slot.trust, identity);
  } catch (cause) {
    if (!(cause instanceof WebIdentityError)) throw cause;
    throw new QueryError(cause.code, cause.message, { cause });
  }
}

/** One token is so many uses, however often it is exchanged: so the token must have an id. */
function countedUnder({ tenant, slot }: OpenedRole, { issuer, tokenId, expiresAt }: WebIdentity) {
  if (tokenId === undefined) {
    throw new QueryError('InvalidIdentityToken', 'The token has no jti, and the uses of this role are counted by it.');
  }
  const id = usesIdOf({ tenant, slot: slot.id, issuer, tokenId });
  return { id, until: expiresAt + LONGEST_ROLE_SESSION_SECONDS };
}
