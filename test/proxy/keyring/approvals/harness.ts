/** A state with approvers whose keys are at hand, a clock to turn, and something that needs approvals. */

import { approve } from '../../../../proxy/keyring/approvals/approval-admin.ts';
import { ApprovalNeeded } from '../../../../proxy/keyring/approvals/approval-errors.ts';
import { type Approvable, requireApproval } from '../../../../proxy/keyring/approvals/approval-gate.ts';
import {
  type ApprovalDeps,
  changeApprovers,
  readApprovers,
} from '../../../../proxy/keyring/approvals/approver-admin.ts';
import {
  type ApproverPrivateKey,
  generateApproverKey,
  parseApproverKey,
  signWith,
} from '../../../../proxy/keyring/approvals/approver-key.ts';
import { TenancyHarness } from '../../../helpers/tenancy-harness.ts';

export const TENANT = 'ab'.repeat(12);
export const signal = new AbortController().signal;

export class ApprovalBench extends TenancyHarness {
  readonly keys = new Map<string, ApproverPrivateKey>();

  static async open(names: readonly string[] = ['ann', 'bob', 'cat'], o = { required: 2, delaySeconds: 0 }) {
    const bench = new ApprovalBench();
    for (const name of names) bench.keys.set(name, parseApproverKey(Buffer.from(generateApproverKey().pem)));
    await bench.state.ensureBucket(signal);
    await bench.setApprovers(names, o);
    return bench;
  }

  async setApprovers(names: readonly string[], o: { required: number; delaySeconds: number }): Promise<void> {
    const approvers = names.map((name) => ({
      added: '2026-06-01T00:00:00Z',
      name,
      principals: [`oidc:https://issuer.example#${name}`, `operator:${name}`],
      publicKey: this.keyOf(name).publicKey,
    }));
    const { generation = 0 } = (await readApprovers(this.deps, signal)) ?? {};
    await changeApprovers(this.deps, { generation, change: { approvers, ...o }, detail: 'test' }, signal);
  }

  keyOf(name: string): ApproverPrivateKey {
    const key = this.keys.get(name);
    if (key === undefined) throw new Error('There is such an approver.');
    return key;
  }

  what(o: Partial<Approvable> = {}): Approvable {
    return {
      action: 'key-revoke',
      tenant: TENANT,
      scope: 'commands',
      subject: [],
      parameters: { force: 'no', key: '00112233' },
      basis: 'generation:7',
      requester: 'operator:eve@desk',
      reason: 'the key leaked',
      needed: 2,
      ...o,
    };
  }

  /** The id of the request that is needed first, or `done`, or the code of the refusal. */
  async ask(o: Partial<Approvable> = {}, deps: ApprovalDeps = this.deps): Promise<string> {
    try {
      await requireApproval(deps, this.what(o), signal);
      return 'done';
    } catch (error) {
      if (error instanceof ApprovalNeeded) return error.id;
      return String((error as { code?: unknown }).code);
    }
  }

  approve(id: string, name: string): Promise<string> {
    const key = this.keyOf(name);
    return approve(this.deps, id, key, (bytes) => signWith(key, bytes), signal);
  }

  async approved(o: Partial<Approvable> = {}): Promise<string> {
    const id = await this.ask(o);
    for (const name of ['ann', 'bob']) await this.approve(id, name);
    return id;
  }

  body(name: string): Buffer {
    const body = this.backend.stored('state', `p/${name}`);
    if (body === undefined) throw new Error(`${name} is stored`);
    return body;
  }

  overwrite(name: string, body: Buffer): void {
    this.backend.overwrite('state', `p/${name}`, body);
  }

  names(prefix = 'approvals/'): string[] {
    return this.backend
      .keys('state')
      .map((name) => name.slice(2))
      .filter((name) => name.startsWith(prefix));
  }

  kinds(): string[] {
    return this.events.map(({ kind }) => kind);
  }
}
