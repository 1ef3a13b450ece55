/**
 * A server and a second replica over one state, with three approvers whose keys are at hand, roles whose sessions need two approvals, and
 * what a call for such a session says.
 */
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { parseIssuers } from '../../../proxy/access/oidc/issuers.ts';
import { unsealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { type NewRole, RoleAdmin } from '../../../proxy/keyring/admin/role-admin.ts';
import { approve } from '../../../proxy/keyring/approvals/approval-admin.ts';
import { changeApprovers, readApprovers } from '../../../proxy/keyring/approvals/approver-admin.ts';
import { generateApproverKey, parseApproverKey, signWith } from '../../../proxy/keyring/approvals/approver-key.ts';
import { processKdfRunner } from '../../../proxy/keyring/slots/kdf.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { roleTrust, sharedIssuer } from '../../helpers/issuer.ts';
import { startTestProxy, type TestProxy } from '../../helpers/proxy.ts';
import { asQueryReply, type QueryReply } from '../../helpers/query-api.ts';
import { sendRaw } from '../../helpers/raw-client.ts';

export const ISSUER = 'https://issuer.example/ci';
const AUDIENCE = 'sealgate-tests';
const issuer = sharedIssuer(ISSUER, AUDIENCE);
const time = Date.now();
export const now = () => new Date(time);
const config = { oidcIssuers: parseIssuers(issuer.settings) };
export const bench = sharedBench({ config, now });
export const signal = () => AbortSignal.timeout(60_000);
let other: TestProxy;

export const deps = () => {
  const { state, sealKeys } = bench.proxy;
  return { state, sealKeys, record: () => {}, now, runner: processKdfRunner };
};
const keys = new Map(
  ['ann', 'bob', 'cat'].map((name) => [name, parseApproverKey(Buffer.from(generateApproverKey().pem))]),
);

export async function setApprovers(principals: Readonly<Record<string, readonly string[]>> = {}): Promise<void> {
  const approvers = [...keys].map(([name, { publicKey }]) => ({
    ...{ added: '2026-06-01T00:00:00Z', name, publicKey },
    principals: [...(principals[name] ?? []), `operator:${name}`].sort(),
  }));
  const { generation = 0 } = (await readApprovers(deps(), signal())) ?? {};
  await changeApprovers(
    deps(),
    { generation, change: { approvers, required: 0, delaySeconds: 0 }, detail: 'test' },
    signal(),
  );
}

beforeAll(async () => {
  const { backend, capabilities, proxy } = bench;
  other = await startTestProxy({ backend, capabilities, sealKeys: proxy.sealKeys, now, config });
});
afterAll(() => other.close());
export const otherEndpoint = () => other.endpoint;
beforeEach(() => setApprovers());

let roles = 0;
export async function role(o: Partial<Omit<NewRole, 'trust'>> = {}): Promise<{ arn: string; name: string }> {
  const caller = unsealAccessKeyId(bench.tenant.accessKeyId, bench.proxy.sealKeys);
  const name = `approved-${roles++}`;
  const tags = [{ claim: 'environment', name: 'env' }];
  const trust = { ...roleTrust({ audiences: [AUDIENCE], issuer: ISSUER, subjects: ['repo:org/app:*'] }), tags };
  const made = { name, managed: false, approvals: 2, assumableBy: '*' as const, trust, ...o };
  const { arn } = await new RoleAdmin(deps()).create(caller, made, signal());
  return { arn, name };
}

export function token(claims: Record<string, unknown> = {}): Promise<string> {
  const iat = Math.floor(time / 1000);
  return issuer.token({
    ...{ sub: 'repo:org/app:main', iat, exp: iat + 3_600, jti: `j${Math.random()}`, environment: 'prod' },
    ...claims,
  });
}

interface Asked {
  readonly endpoint?: string;
  readonly claims?: Record<string, unknown>;
  readonly more?: Record<string, string>;
}

export async function assume(arn: string, o: Asked = {}): Promise<QueryReply> {
  const parameters = { Action: 'AssumeRoleWithWebIdentity', Version: '2011-06-15', RoleSessionName: 'job-1' };
  const given = { ...parameters, RoleArn: arn, WebIdentityToken: await token(o.claims), ...o.more };
  const body = new URLSearchParams(given).toString();
  const endpoint = o.endpoint ?? bench.proxy.endpoint;
  const headers = [
    ['host', new URL(endpoint).host],
    ['content-type', 'application/x-www-form-urlencoded'],
    ['content-length', String(Buffer.byteLength(body))],
  ] as const;
  return asQueryReply(await sendRaw(endpoint, { method: 'POST', target: '/', headers, body }));
}

/** The id of the request, `issued`, or what the refusal says. */
export async function said(asked: Promise<QueryReply>): Promise<string> {
  const reply = await asked;
  if (reply.status === 200) return 'issued';
  expect([reply.status, reply.error]).toEqual([403, 'AccessDenied']);
  const message = reply.root.child('Error')?.value('Message') ?? '';
  return /Approval is needed: request ([0-9a-f]{24}) has/.exec(message)?.[1] ?? message;
}

export async function approved(id: string, names: readonly string[] = ['ann', 'bob']): Promise<void> {
  for (const name of names) {
    const key = keys.get(name);
    if (key !== undefined) await approve(deps(), id, key, (bytes) => signWith(key, bytes), signal());
  }
}
