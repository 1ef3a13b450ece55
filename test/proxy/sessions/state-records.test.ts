/**
 * Protects: what sessions and roles leave in the state bucket belongs there. A server starts beside it, nothing of it is taken for
 * somebody else's, and what holds a secret of a tenant goes with the tenant.
 */
import { expect, test } from 'vitest';
import { unsealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { ROLE_RECORDS } from '../../../proxy/keyring/access-keys/role-arn.ts';
import { deleteTenant } from '../../../proxy/keyring/admin/delete-tenant.ts';
import { RoleAdmin } from '../../../proxy/keyring/admin/role-admin.ts';
import { processKdfRunner } from '../../../proxy/keyring/slots/kdf.ts';
import { checkState } from '../../../proxy/startup/check-state.ts';
import type { Finding } from '../../../proxy/startup/finding.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { roleTrust } from '../../helpers/issuer.ts';
import { sendSigned } from '../../helpers/raw-client.ts';
import { below, keyOf, sessionOf } from '../../helpers/sessions.ts';

const bench = sharedBench();
const signal = () => AbortSignal.timeout(60_000);

test('a server starts beside records of sessions, their uses and roles, which go with their tenant', async () => {
  const { proxy, backend, bucket } = bench;
  const { state, sealKeys } = proxy;
  const tenant = await proxy.createTenant();
  const deps = { state, sealKeys, record: () => {}, now: () => new Date(), runner: processKdfRunner };
  const caller = unsealAccessKeyId(tenant.accessKeyId, sealKeys);
  await new RoleAdmin(deps).create(caller, { name: 'Managed.role-1', trust: roleTrust(), managed: true }, signal());
  const session = await sessionOf(proxy.endpoint, keyOf(tenant), {
    Action: 'GetFederationToken',
    Name: 'limited',
    Policy: below(bucket, ''),
    'Tags.member.1.Key': 'sealgate:MaxUses',
    'Tags.member.1.Value': '1',
  });
  const headers = [['x-amz-security-token', session.sessionToken]] as const;
  const used = await sendSigned(proxy.endpoint, session, { method: 'PUT', path: `/${bucket}/x`, headers, body: 'x' });
  expect(used.status).toBe(200);
  const folders = async () => {
    const found = new Set<string>();
    for await (const name of state.list('', signal())) found.add(name.split('/')[0] ?? '');
    return found;
  };
  for (const folder of ['sessions', 'uses', 'roles']) expect(await folders()).toContain(folder);

  const findings: Finding[] = [];
  expect(await checkState({ backend, state }, '', (finding) => findings.push(finding))).toBe(true);
  expect(findings.map(({ level }) => level)).toEqual(['ok']);

  await deleteTenant(deps, backend, tenant.tenant, signal());
  expect([...(await state.listEver(ROLE_RECORDS, signal()))]).toEqual([]);
});
