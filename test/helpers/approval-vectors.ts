/**
 * Makes test/vectors/keyring/approvals.json: run with Node from the repository's root. Keys are fixed, and so is every byte: only a
 * change of the format is a reason to make others.
 */
import { createPrivateKey } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import {
  type ApprovalRequest,
  openRequest,
  sealRequest,
  signedBytes,
} from '../../proxy/keyring/approvals/approval-request.ts';
import { type ApproverPrivateKey, parseApproverKey, signWith } from '../../proxy/keyring/approvals/approver-key.ts';
import { type Approvers, openApprovers, signApprovers } from '../../proxy/keyring/approvals/approvers-record.ts';
import { countedApprovals } from '../../proxy/keyring/approvals/signatures.ts';
import { canonicalJson } from '../../proxy/keyring/state/canonical-json.ts';
import type { StateStore } from '../../proxy/keyring/state/state.ts';
import { vectorSealKeys } from './keyring-vectors.ts';

export interface ApprovalVector {
  readonly name: string;
  readonly sealKeys: readonly { readonly kid: string; readonly key: string }[];
  readonly id: string;
  /** Records, as they are stored. */
  readonly approvers: string;
  readonly request: string;
  /** By approver. */
  readonly signatures: Readonly<Record<string, string>>;
  /** What comes out, or the step that refuses. `signedBytes`: hex. */
  readonly result: { readonly approvedBy: readonly string[]; readonly signedBytes: string } | string;
}

const ONE = { kid: 'vector-1', key: '11'.repeat(32) } as const;
const OTHER = { kid: 'vector-1', key: '33'.repeat(32) } as const;
const ID = '0102030405060708090a0b0c';
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

function keyOf(seed: string): ApproverPrivateKey {
  const der = Buffer.concat([PKCS8_PREFIX, Buffer.from(seed.repeat(32), 'hex')]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return parseApproverKey(Buffer.from(key.export({ format: 'pem', type: 'pkcs8' })));
}

const KEYS = { ann: keyOf('a1'), bob: keyOf('b2'), cat: keyOf('c3') } as const;
type Name = keyof typeof KEYS;

const APPROVERS: Omit<Approvers, 'kid'> = {
  approvers: (['ann', 'bob', 'cat'] as const).map((name) => ({
    added: '2026-06-01T00:00:00Z',
    name,
    principals: [`oidc:https://issuer.example#${name}`, `operator:${name}`],
    publicKey: KEYS[name].publicKey,
  })),
  delaySeconds: 60,
  deployment: 'd0d1d2d3d4d5d6d7d8d9dadb',
  generation: 5,
  required: 2,
  updated: '2026-06-01T00:00:00Z',
};

const COMMAND: ApprovalRequest = {
  action: 'tenant-recover',
  approvers: 5,
  basis: 'generation:7',
  created: '2026-06-02T00:00:00Z',
  delaySeconds: 60,
  deployment: APPROVERS.deployment,
  expires: '2026-06-03T00:00:00Z',
  id: ID,
  needed: 2,
  parameters: { expires: '30d', grants: [{ access: 'read-write', bucket: '*', prefix: 'ü/"' }], label: 'recovered' },
  reason: 'keys lost',
  requester: 'operator:eve@desk',
  tenant: 'aabbccddeeff001122334455',
};
const OF_DEPLOYMENT: ApprovalRequest = {
  ...COMMAND,
  action: 'approvers-change',
  basis: 'approvers:5',
  parameters: { change: 'remove', name: 'cat' },
  reason: '',
  requester: 'operator:ann@desk',
  tenant: '',
};

export async function makeApprovalVectors(): Promise<readonly ApprovalVector[]> {
  const [sealKey] = vectorSealKeys([ONE]).all;
  if (sealKey === undefined) throw new Error('There is a seal key.');
  const approvers = signApprovers(APPROVERS, sealKey).toString();
  const vector = (
    name: string,
    request: ApprovalRequest,
    by: Readonly<Record<string, Name>>,
  ): Omit<ApprovalVector, 'result'> => ({
    ...{ name, sealKeys: [ONE], id: ID, approvers, request: sealRequest(request, sealKey).toString() },
    signatures: Object.fromEntries(Object.entries(by).map(([as, signer]) => [as, signatureBy(signer, request)])),
  });
  const whole = vector('two approvals', COMMAND, { ann: 'ann', cat: 'cat' });
  const altered = (name: string, change: Partial<ApprovalVector>) => ({ ...whole, name, ...change });
  const older = signApprovers({ ...APPROVERS, generation: 4 }, sealKey).toString();
  const otherDeployment = signApprovers({ ...APPROVERS, deployment: 'e0'.repeat(12) }, sealKey).toString();
  const withoutAnn = { ...APPROVERS, generation: 6, approvers: APPROVERS.approvers.slice(1) };
  const given = [
    whole,
    vector('no approval', COMMAND, {}),
    vector('of the deployment, and one by who asked', OF_DEPLOYMENT, { ann: 'ann', bob: 'bob' }),
    vector('one approver under two names', COMMAND, { ann: 'ann', bob: 'ann' }),
    altered('a signature of another request', {
      signatures: { ann: signatureBy('ann', { ...COMMAND, reason: 'another' }), cat: signatureBy('cat', COMMAND) },
    }),
    altered('an approver who is none any more', { approvers: signApprovers(withoutAnn, sealKey).toString() }),
    altered('a signature record with another format', {
      signatures: { ann: signatureBy('ann', COMMAND).replace('signature/1', 'signature/2') },
    }),
    altered('approvers of another time', { approvers: older }),
    altered('approvers with fewer required', { approvers: approvers.replace('"required":2', '"required":1') }),
    altered('approvers that are not canonical', { approvers: `${approvers}\n` }),
    altered('a request with another parameter', { request: whole.request.replace('"30d"', '"31d"') }),
    altered('a request of another deployment', { approvers: otherDeployment }),
    altered('a request under another id', { id: 'ff'.repeat(12) }),
    altered('another seal key', { sealKeys: [OTHER] }),
  ];
  return Promise.all(given.map(async (one) => ({ ...one, result: await resultOf(one) })));
}

function signatureBy(name: Name, request: ApprovalRequest): string {
  const signature = signWith(KEYS[name], signedBytes(request)).toString('base64');
  return canonicalJson({ format: 'sealgate-approval-signature/1', signature }).toString();
}

/** What the program makes of a vector. */
export async function resultOf(vector: Omit<ApprovalVector, 'result'>): Promise<ApprovalVector['result']> {
  const sealKeys = vectorSealKeys(vector.sealKeys);
  let approvers: Approvers;
  try {
    approvers = openApprovers(Buffer.from(vector.approvers), sealKeys);
  } catch {
    return 'approvers';
  }
  const request = openRequest(Buffer.from(vector.request), vector.id, sealKeys);
  if (request === undefined || request.deployment !== approvers.deployment) return 'request';
  if (request.approvers > approvers.generation) return 'approvers-older';
  const stored = (name: string) => vector.signatures[name.slice(name.lastIndexOf('/') + 1)];
  const get = async (name: string) => {
    const text = stored(name);
    return text === undefined ? undefined : { body: Buffer.from(text), etag: '' };
  };
  const state = { get } as unknown as StateStore;
  const approvedBy = await countedApprovals(state, { request, approvers }, new AbortController().signal);
  return { approvedBy, signedBytes: signedBytes(request).toString('hex') };
}

if (import.meta.main) {
  const file = new URL('../vectors/keyring/approvals.json', import.meta.url);
  await writeFile(file, `${JSON.stringify(await makeApprovalVectors(), null, 2)}\n`);
}
