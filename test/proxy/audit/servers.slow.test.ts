// Protects: with two servers of two workers each, every answered request is in the log once. One of them killed in the middle loses, with
// `on`, events of its last seconds at most, and verify names it; with `strict` it loses none that it answered.
// AUDIT_TEST_REQUESTS says how many requests, 100,000 for example.

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SegmentReader } from '../../../proxy/audit/segment-reader.ts';
import { Signers } from '../../../proxy/audit/signers.ts';
import type { Finding } from '../../../proxy/audit/verify/findings.ts';
import { verifyLog } from '../../../proxy/audit/verify/verify-log.ts';
import { openLocalBackend } from '../../../proxy/backend/local/local.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { StateStore } from '../../../proxy/keyring/state/state.ts';
import { type RunningProgram, runProgram, startServe } from '../../e2e/support/program.ts';
import { type SigningCredentials, signHeaders } from '../../helpers/raw-client.ts';

const REQUESTS = Number(process.env['AUDIT_TEST_REQUESTS'] ?? 600);
const AT_ONCE = 12;
const BUCKET = 'audited';
/** A block, a segment and a write: what `on` may lose. */
const LAST_MS = 5_000;

interface Answered {
  readonly id: string;
  readonly server: number;
  readonly at: number;
}

/** Undefined when no whole answer came. */
async function ask(
  server: RunningProgram,
  o: { tenant: SigningCredentials; agent: Agent; method: string; path: string; query?: string; body?: string },
): Promise<string | undefined> {
  const { hostname, port, host } = new URL(server.endpoint);
  const { method, path, query = '', body = '' } = o;
  const length = method === 'PUT' ? [['content-length', String(body.length)] as const] : [];
  const signed = signHeaders({ method, path, query, headers: length, payload: 'UNSIGNED-PAYLOAD' }, o.tenant, host);
  const target = query === '' ? path : `${path}?${query}`;
  const request = httpRequest({
    hostname,
    port,
    method,
    path: target,
    agent: o.agent,
    headers: Object.fromEntries(signed),
  });
  request.end(body);
  try {
    const [response] = await once(request, 'response');
    response.resume();
    await once(response, 'end');
    return response.statusCode < 500 ? String(response.headers['x-amz-request-id']) : undefined;
  } catch {
    return undefined;
  }
}

/** Mixed requests, each of one decision. `onHalf` is called once, in the middle. */
async function load(
  servers: readonly RunningProgram[],
  tenant: SigningCredentials,
  onHalf?: () => Promise<void>,
): Promise<Answered[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const answered: Answered[] = [];
  let next = 0;
  let half: Promise<void> | undefined;
  const worker = async () => {
    while (next < REQUESTS) {
      const at = next;
      next += 1;
      if (at === Math.floor(REQUESTS / 2)) half = onHalf?.();
      const server = at % servers.length;
      const path = `/${BUCKET}/k${at % 50}`;
      const kinds = [
        { method: 'PUT', path, body: `${at}` },
        { method: 'GET', path },
        { method: 'HEAD', path },
        { method: 'GET', path: `/${BUCKET}`, query: 'list-type=2&max-keys=2' },
        { method: 'DELETE', path },
      ];
      const kind = kinds[at % kinds.length];
      const target = servers[server];
      if (kind === undefined || target === undefined) throw new Error('nothing to ask');
      const id = await ask(target, { tenant, agent, ...kind });
      if (id !== undefined) answered.push({ id, server, at: Date.now() });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  await half;
  agent.destroy();
  return answered;
}

async function tried(mode: string, kills: boolean) {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-audit-'));
  const keys = SealKeys.generate();
  const settings = {
    SEALGATE_BACKEND: `local:${join(directory, 'store')}`,
    SEALGATE_STATE: 'state-of-audit',
    SEALGATE_SEAL_KEYS: keys,
    SEALGATE_WORKERS: '2',
    SEALGATE_AUDIT: mode,
  };
  const o = { directory, settings };
  try {
    const made = await runProgram(['tenant', 'create', '--bucket', '*', '--json'], o);
    const tenant = JSON.parse(made.stdout) as SigningCredentials;
    const servers = await Promise.all([startServe(o), startServe(o)]);
    await ask(servers[0], { tenant, agent: new Agent(), method: 'PUT', path: `/${BUCKET}` });
    let killedAt = 0;
    const answered = await load(servers, tenant, async () => {
      if (!kills) return;
      killedAt = Date.now();
      await servers[1].kill();
    });
    await Promise.all(servers.map((server, at) => (kills && at === 1 ? undefined : server.stop())));
    const exported = await runProgram(['audit', 'export', '--format', 'cloudtrail'], o);
    const { Records } = JSON.parse(exported.stdout) as { Records: { requestID?: string }[] };
    const counts = new Map<string, number>();
    for (const { requestID = '' } of Records) counts.set(requestID, (counts.get(requestID) ?? 0) + 1);
    const missing = answered.filter(({ id }) => !counts.has(id));
    const twice = answered.filter(({ id }) => (counts.get(id) ?? 0) > 1);
    const backend = await openLocalBackend({ directory: join(directory, 'store') });
    const state = new StateStore({ backend, bucket: settings.SEALGATE_STATE, prefix: '' });
    const sealKeys = SealKeys.parse(keys);
    const signers = new Signers(sealKeys);
    const findings: Finding[] = [];
    const verified = await verifyLog(
      {
        store: state,
        reader: new SegmentReader({ store: state, keys: { state, sealKeys } }),
        isOurs: (signer) => signers.find(signer) !== undefined,
        ...{ pinned: [], kept: [], since: undefined },
        // Long enough for a writer that is silent to count as ended.
        now: new Date(Date.now() + 3_600_000),
        onFinding: (finding) => void findings.push(finding),
      },
      AbortSignal.timeout(600_000),
    );
    await backend.close();
    return { answered, missing, twice, killedAt, verified, findings, exported };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

test('two servers of two workers: as many events as requests, none twice', async () => {
  const { answered, missing, twice, findings, verified, exported } = await tried('on', false);
  expect([answered.length, missing, twice, exported.code]).toEqual([REQUESTS, [], [], 0]);
  expect([findings, verified.authenticatedBy]).toEqual([[], 'seal keys']);
});

test('on, and one of them killed: what is missing is of its last seconds, and it is named', async () => {
  const { answered, missing, twice, killedAt, findings } = await tried('on', true);
  expect(twice).toEqual([]);
  expect(answered.length).toBeGreaterThan(REQUESTS / 2);
  for (const { server, at } of missing)
    expect([server, at]).toEqual([1, expect.toSatisfy((time) => time > killedAt - LAST_MS)]);
  expect(findings.map(({ kind }) => kind)).toEqual(['writer-ended']);
});

test('strict, and one of them killed: nothing that was answered is missing', async () => {
  const { answered, missing, twice, findings } = await tried('strict', true);
  expect([missing, twice]).toEqual([[], []]);
  expect(answered.length).toBeGreaterThan(REQUESTS / 2);
  expect(findings.map(({ kind }) => kind)).toEqual(['writer-ended']);
});
