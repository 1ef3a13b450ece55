/**
 * Protects: what needs approvals is done once, and only as approved. Replayed, changed, self-approved, expired, forged, approved twice by
 * one approver or by one who is none any more: refused. The bytes that approvers sign are those of crypto/FORMAT.md.
 */
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { APPROVAL_LIFETIME_SECONDS, APPROVALS_KEPT_MS, MAX_OPEN_APPROVALS } from '../../../../proxy/approval-limits.ts';
import { SealKeys } from '../../../../proxy/keyring/access-keys/seal-keys.ts';
import {
  approve,
  listApprovals,
  removeOldApprovals,
  showApproval,
  withdraw,
} from '../../../../proxy/keyring/approvals/approval-admin.ts';
import { signedBytes } from '../../../../proxy/keyring/approvals/approval-request.ts';
import { resignApprovers } from '../../../../proxy/keyring/approvals/approver-admin.ts';
import { checkPublicKey, parseApproverKey } from '../../../../proxy/keyring/approvals/approver-key.ts';
import {
  APPROVERS_NAME,
  isApproverOf,
  isPrincipalText,
  openApprovers,
} from '../../../../proxy/keyring/approvals/approvers-record.ts';
import { canonicalJson } from '../../../../proxy/keyring/state/canonical-json.ts';
import { Generations } from '../../../../proxy/keyring/state/generations.ts';
import { newSealKeys } from '../../../helpers/keyring-fixture.ts';
import { ApprovalBench, signal, TENANT } from './harness.ts';

const HOUR_MS = 3_600_000;
const codeOf = (error: unknown) => String((error as { code?: unknown }).code);
const refusal = (work: Promise<unknown>) => work.then(() => 'done', codeOf);

/** The bytes as the format document describes them. */
function framed(...fields: readonly (string | Buffer)[]): Buffer {
  const parts = fields.map((field) => (typeof field === 'string' ? Buffer.from(field) : field));
  return Buffer.concat(
    parts.flatMap((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(part.length);
      return [length, part];
    }),
  );
}

describe('a request', () => {
  it('is made once, is approved by as many as are required, and is carried out once', async () => {
    const bench = await ApprovalBench.open();
    const id = await bench.ask();
    expect(await bench.ask()).toBe(id);
    expect(await bench.approve(id, 'ann')).toBe('ann');
    expect(await bench.ask()).toBe(id);
    await bench.approve(id, 'cat');
    expect((await showApproval(bench.deps, id, signal)).approvedBy).toEqual(['ann', 'cat']);
    expect(await bench.ask()).toBe('done');
    const again = await bench.ask();
    expect([again.length, again === id]).toEqual([24, false]);
    expect(bench.kinds()).toEqual([
      'approvers-changed',
      'approval-requested',
      'approval-given',
      'approval-given',
      'approval-used',
      'approval-requested',
    ]);
    expect(bench.events.map(({ tenant }) => tenant ?? '').slice(1)).toEqual(Array(5).fill(TENANT));
  });

  it('has approvers sign exactly what the format document says', async () => {
    const bench = await ApprovalBench.open();
    const id = await bench.approved();
    const { request } = await showApproval(bench.deps, id, signal);
    const { deployment } = openApprovers(bench.body(APPROVERS_NAME), bench.sealKeys);
    const bytes = framed(
      'sealgate-approval/1',
      Buffer.from(deployment, 'hex'),
      Buffer.from(TENANT, 'hex'),
      Buffer.from(id, 'hex'),
      'key-revoke',
      '{"force":"no","key":"00112233"}',
      'generation:7',
      'operator:eve@desk',
      'the key leaked',
      '2026-06-02T00:00:00Z',
    );
    expect(signedBytes(request)).toEqual(bytes);
    const { signature } = JSON.parse(bench.body(`approvals/${id}/by/ann`).toString());
    const der = Buffer.concat([
      Buffer.from('302a300506032b6570032100', 'hex'),
      Buffer.from(bench.keyOf('ann').publicKey, 'base64'),
    ]);
    expect(verify(null, bytes, { key: der, format: 'der', type: 'spki' }, Buffer.from(signature, 'base64'))).toBe(true);
  });

  it('that was carried out is no use again, whatever is put back', async () => {
    const bench = await ApprovalBench.open();
    await bench.approved();
    const before = new Map(bench.names().map((name) => [name, bench.body(name)]));
    expect(await bench.ask()).toBe('done');
    for (const [name, body] of before) bench.overwrite(name, body);
    expect(await bench.ask()).toMatch(/^[0-9a-f]{24}$/);
  });

  it('whose parameters, basis, tenant, action or requester changed is not carried out', async () => {
    const bench = await ApprovalBench.open();
    await bench.approved();
    expect(await bench.ask({ parameters: { force: 'yes', key: '00112233' } })).toBe('APPROVAL_REFUSED');
    for (const change of [
      { basis: 'generation:8' },
      { tenant: 'cd'.repeat(12) },
      { action: 'role-delete' },
      { subject: ['another'] },
    ] as const) {
      const bench = await ApprovalBench.open();
      const id = await bench.approved();
      const other = await bench.ask(change);
      expect([other, other === id]).toEqual([expect.stringMatching(/^[0-9a-f]{24}$/), false]);
    }
  });

  it('cannot be edited in the state: its MAC and the signatures cover all of it', async () => {
    for (const [from, to] of [
      ['"reason":"the key leaked"', '"reason":"something else"'],
      ['"key":"00112233"', '"key":"44556677"'],
      ['"requester":"operator:eve@desk"', '"requester":"operator:mal@desk"'],
      ['"expires":"2026-06-02T00:00:00Z"', '"expires":"2026-06-02T00:00:01Z"'],
      ['"needed":2', '"needed":1'],
      ['"delaySeconds":0', '"delaySeconds":1'],
    ] as const) {
      const bench = await ApprovalBench.open();
      const id = await bench.approved();
      const body = bench.body(`approvals/${id}/request`).toString();
      expect(body).toContain(from);
      bench.overwrite(`approvals/${id}/request`, Buffer.from(body.replace(from, to)));
      expect(await refusal(showApproval(bench.deps, id, signal))).toBe('UNKNOWN_APPROVAL');
      expect(await bench.ask()).not.toBe('done');
    }
  });

  it('moved under another id is none', async () => {
    const bench = await ApprovalBench.open();
    const id = await bench.approved();
    const other = await bench.ask({ subject: ['other'] });
    bench.overwrite(`approvals/${other}/request`, bench.body(`approvals/${id}/request`));
    expect(await refusal(showApproval(bench.deps, other, signal))).toBe('UNKNOWN_APPROVAL');
  });

  it('may not be approved by who asked, on whatever host', async () => {
    const bench = await ApprovalBench.open();
    const id = await bench.ask({ requester: 'operator:ann@elsewhere' });
    expect(await refusal(bench.approve(id, 'ann'))).toBe('APPROVAL_REFUSED');
    // Signed all the same, and put there: it does not count.
    const { request } = await showApproval(bench.deps, id, signal);
    const signature = sign(null, signedBytes(request), bench.keyOf('ann').key).toString('base64');
    const forged = canonicalJson({ format: 'sealgate-approval-signature/1', signature });
    bench.overwrite(`approvals/${id}/by/ann`, forged);
    await bench.approve(id, 'bob');
    expect(await bench.ask({ requester: 'operator:ann@elsewhere' })).toBe(id);
    await bench.approve(id, 'cat');
    expect(await bench.ask({ requester: 'operator:ann@elsewhere' })).toBe('done');
    // And where the others are too few, that is said at once.
    expect(await bench.ask({ requester: 'operator:ann@desk', needed: 3 })).toBe('APPROVAL_REFUSED');
  });

  it('has one approval of one approver, however often it is given or copied', async () => {
    const bench = await ApprovalBench.open();
    const id = await bench.ask();
    await bench.approve(id, 'ann');
    expect(await refusal(bench.approve(id, 'ann'))).toBe('APPROVAL_REFUSED');
    for (const name of ['bob', 'cat', 'ann2']) {
      bench.overwrite(`approvals/${id}/by/${name}`, bench.body(`approvals/${id}/by/ann`));
    }
    expect((await showApproval(bench.deps, id, signal)).approvedBy).toEqual(['ann']);
    expect(await bench.ask()).toBe(id);
    // The copy does not keep the other approver from approving.
    await bench.approve(id, 'bob');
    expect(await bench.ask()).toBe('done');
  });

  it('takes no signature but the approver’s own of this very request', async () => {
    const bench = await ApprovalBench.open();
    const id = await bench.ask();
    const other = await bench.ask({ subject: ['other'] });
    const { key: stranger } = parseApproverKey(
      Buffer.from(generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' })),
    );
    const byName = (signature: (bytes: Buffer) => Buffer) =>
      refusal(approve(bench.deps, id, { name: 'ann' }, signature, signal));
    expect(await byName(() => Buffer.alloc(64))).toBe('APPROVAL_REFUSED');
    expect(await byName((bytes) => sign(null, bytes, stranger))).toBe('APPROVAL_REFUSED');
    expect(await byName((bytes) => sign(null, bytes, bench.keyOf('bob').key))).toBe('APPROVAL_REFUSED');
    expect(await byName((bytes) => sign(null, bytes, bench.keyOf('ann').key).subarray(1))).toBe('APPROVAL_REFUSED');
    const { request } = await showApproval(bench.deps, other, signal);
    const ofOther = sign(null, signedBytes(request), bench.keyOf('ann').key);
    expect(await byName(() => ofOther)).toBe('APPROVAL_REFUSED');
    expect(bench.names(`approvals/${id}/by/`)).toEqual([]);
    // Nor do they count when they were put there behind everybody's back.
    const record = canonicalJson({ format: 'sealgate-approval-signature/1', signature: ofOther.toString('base64') });
    for (const body of [record, Buffer.from('{}'), Buffer.alloc(0)]) {
      for (const name of ['ann', 'bob']) bench.overwrite(`approvals/${id}/by/${name}`, body);
      expect(await bench.ask()).toBe(id);
    }
    expect(await byName((bytes) => sign(null, bytes, bench.keyOf('ann').key))).toBe('done');
  });

  it('ends, approved or not, and cannot be approved after that', async () => {
    const bench = await ApprovalBench.open();
    const id = await bench.approved();
    bench.time += 1000 * APPROVAL_LIFETIME_SECONDS - 1;
    expect((await showApproval(bench.deps, id, signal)).status).toBe('approved');
    bench.time += 1;
    expect((await showApproval(bench.deps, id, signal)).status).toBe('expired');
    expect(await refusal(bench.approve(id, 'cat'))).toBe('APPROVAL_REFUSED');
    expect(await bench.ask()).not.toBe('done');
    expect(await bench.ask()).not.toBe(id);
  });

  it('of a clock that is ahead by no more than clocks differ is taken, and by more is not', async () => {
    const bench = await ApprovalBench.open();
    bench.time += 14 * 60_000;
    await bench.approved();
    bench.time -= 14 * 60_000;
    expect(await bench.ask()).toBe('done');
    bench.time += HOUR_MS;
    const id = await bench.approved();
    bench.time -= HOUR_MS;
    expect((await showApproval(bench.deps, id, signal)).status).toBe('expired');
    expect(await bench.ask()).not.toBe('done');
  });

  it('waits for the delay, also one that was set or raised meanwhile', async () => {
    const bench = await ApprovalBench.open(['ann', 'bob', 'cat'], { required: 2, delaySeconds: 3600 });
    const id = await bench.approved();
    expect(await bench.ask()).toBe(id);
    bench.time += HOUR_MS - 1;
    expect(await bench.ask()).toBe(id);
    await bench.setApprovers(['ann', 'bob', 'cat'], { required: 2, delaySeconds: 7200 });
    bench.time += 1;
    expect(await bench.ask()).toBe(id);
    bench.time += HOUR_MS;
    expect(await bench.ask()).toBe('done');
  });

  it('is not approved by who is no approver any more, or has another key now', async () => {
    const bench = await ApprovalBench.open();
    const id = await bench.approved();
    await bench.setApprovers(['bob', 'cat'], { required: 2, delaySeconds: 0 });
    expect(await bench.ask()).toBe(id);
    bench.keys.set('ann', parseApproverKey(Buffer.from(otherPem())));
    await bench.setApprovers(['ann', 'bob', 'cat'], { required: 2, delaySeconds: 0 });
    expect((await showApproval(bench.deps, id, signal)).approvedBy).toEqual(['bob']);
    await bench.approve(id, 'ann');
    expect(await bench.ask()).toBe('done');
  });

  it('is carried out by one of two who come at once: 20 of 20', async () => {
    for (let round = 0; round < 20; round += 1) {
      const bench = await ApprovalBench.open();
      await bench.approved();
      const outcomes = await Promise.all([bench.ask(), bench.ask()]);
      expect(outcomes.filter((one) => one === 'done')).toHaveLength(1);
    }
  });

  it('is one, when several ask at once', async () => {
    const bench = await ApprovalBench.open();
    const ids = await Promise.all(Array.from({ length: 8 }, () => bench.ask()));
    expect(new Set(ids).size).toBe(1);
    expect(bench.names('approvals/').filter((name) => name.endsWith('/request'))).toHaveLength(1);
  });

  it('is withdrawn by anybody, once, and gives the place to another', async () => {
    const bench = await ApprovalBench.open();
    const id = await bench.approved();
    await withdraw(bench.deps, { id, by: 'operator:eve@desk' }, signal);
    expect(await refusal(withdraw(bench.deps, { id, by: 'operator:eve@desk' }, signal))).toBe('APPROVAL_REFUSED');
    expect(await refusal(bench.approve(id, 'cat'))).toBe('APPROVAL_REFUSED');
    expect(await bench.ask({ parameters: { force: 'yes', key: '00112233' } })).not.toBe(id);
  });

  it('needs its event written first: without, nothing is made, approved or claimed', async () => {
    const bench = await ApprovalBench.open();
    const full = { ...bench.deps, record: () => Promise.reject(new Error('full')) };
    const before = bench.names();
    await expect(bench.ask({}, full)).resolves.toBe('undefined');
    expect(bench.names()).toEqual(before);
    const id = await bench.approved();
    await expect(bench.ask({}, full)).resolves.toBe('undefined');
    expect(bench.names(`approvals/${id}/used`)).toEqual([]);
    expect(await bench.ask()).toBe('done');
  });
});

describe('open requests', () => {
  it('are bounded, and those that ended make room', async () => {
    const bench = await ApprovalBench.open();
    const of = (subject: number) => bench.ask({ scope: 'role-ci', subject: [String(subject)] });
    const ids = new Set<string>();
    for (let subject = 0; subject < MAX_OPEN_APPROVALS; subject += 1) ids.add(await of(subject));
    expect(ids.size).toBe(MAX_OPEN_APPROVALS);
    expect(await of(-1)).toBe('APPROVAL_REFUSED');
    expect(await of(3)).toMatch(/^[0-9a-f]{24}$/);
    // Another role, and another tenant, have room of their own.
    expect(await bench.ask({ scope: 'role-other' })).toMatch(/^[0-9a-f]{24}$/);
    expect(await bench.ask({ scope: 'role-ci', tenant: 'cd'.repeat(12) })).toMatch(/^[0-9a-f]{24}$/);
    const [first = ''] = ids;
    await bench.approve(first, 'ann');
    bench.time += 1000 * APPROVAL_LIFETIME_SECONDS;
    expect(await of(-1)).toMatch(/^[0-9a-f]{24}$/);
  });

  it('are bounded when all come at once, too', async () => {
    const bench = await ApprovalBench.open();
    const outcomes = await Promise.all(
      Array.from({ length: MAX_OPEN_APPROVALS + 20 }, (_, at) =>
        bench.ask({ scope: 'role-ci', subject: [String(at)] }),
      ),
    );
    const made = outcomes.filter((one) => /^[0-9a-f]{24}$/.test(one)).length;
    expect(made).toBeLessThanOrEqual(MAX_OPEN_APPROVALS);
    expect(bench.names().filter((name) => name.endsWith('/request'))).toHaveLength(made);
  });

  it('are forgotten a week after their end, and not before; what they were is listed till then', async () => {
    const bench = await ApprovalBench.open();
    const id = await bench.approved();
    await bench.ask();
    bench.time += 1000 * APPROVAL_LIFETIME_SECONDS + APPROVALS_KEPT_MS - 1;
    expect(await removeOldApprovals(bench.deps, signal)).toBe(0);
    const listed = await Array.fromAsync(listApprovals(bench.deps, signal));
    expect(listed.map(({ request, status }) => [request.id, status])).toEqual([[id, 'used']]);
    bench.time += 1;
    expect(await removeOldApprovals(bench.deps, signal)).toBe(1);
    expect(bench.names(`approvals/${id}`)).toEqual([]);
  });

  it('say nothing of secrets: no parameter is in an event', async () => {
    const bench = await ApprovalBench.open();
    await bench.approved({ parameters: { policy: 'PARAMETER', tags: ['TAG'] } });
    expect(JSON.stringify(bench.events)).not.toMatch(/PARAMETER|TAG/);
  });

  it('with parameters that an approver cannot be shown are refused', async () => {
    const bench = await ApprovalBench.open();
    expect(await bench.ask({ parameters: { policy: 'a\u001b[2Jb' } })).toBe('APPROVAL_REFUSED');
    expect(await bench.ask({ parameters: { policy: 'x'.repeat(25_000) } })).toBe('APPROVAL_REFUSED');
  });
});

describe('the approvers', () => {
  it('that were put back are refused by a process that has seen newer ones, and by a newer request', async () => {
    const bench = await ApprovalBench.open();
    const older = bench.body(APPROVERS_NAME);
    const serving = { ...bench.deps, generations: new Generations() };
    await bench.setApprovers(['bob', 'cat'], { required: 2, delaySeconds: 0 });
    expect(await bench.ask({}, serving)).toMatch(/^[0-9a-f]{24}$/);
    bench.overwrite(APPROVERS_NAME, older);
    expect(await bench.ask({}, serving)).toBe('APPROVERS_TAMPERED');
    expect(bench.kinds().at(-1)).toBe('approvers-rollback');
    // A command remembers nothing, but the request was made under the newer record.
    expect(await bench.ask()).toBe('APPROVERS_TAMPERED');
    await bench.deps.state.delete(APPROVERS_NAME, signal);
    expect(await bench.ask({}, serving)).toBe('APPROVERS_TAMPERED');
  });

  it('that nobody signed, or another seal key, are refused and told', async () => {
    const bench = await ApprovalBench.open();
    const good = bench.body(APPROVERS_NAME).toString();
    const other = await ApprovalBench.open();
    for (const body of [
      good.replace('"required":2', '"required":1'),
      good.replace('"delaySeconds":0', '"delaySeconds":1'),
      good.replace(bench.keyOf('ann').publicKey, other.keyOf('ann').publicKey),
      `${good} `,
      '{}',
      other.body(APPROVERS_NAME).toString(),
    ]) {
      expect(body).not.toBe(good);
      bench.overwrite(APPROVERS_NAME, Buffer.from(body));
      expect(await bench.ask()).toBe('APPROVERS_TAMPERED');
      expect(bench.kinds().at(-1)).toBe('approvers-tampered');
    }
    const missing = { ...bench.deps, sealKeys: newSealKeys('two') };
    bench.overwrite(APPROVERS_NAME, Buffer.from(good));
    expect(await bench.ask({}, missing)).toBe('APPROVERS_TAMPERED');
  });

  it('are one person each: no key and no principal twice, and at least as many as are required', async () => {
    const bench = await ApprovalBench.open();
    const set = (names: readonly string[], required = 2) =>
      refusal(bench.setApprovers(names, { required, delaySeconds: 0 }));
    expect(await set(['ann', 'bob'], 3)).toBe('APPROVAL_REFUSED');
    expect(await set(['bob', 'ann'])).toBe('APPROVAL_REFUSED');
    bench.keys.set('cat', bench.keyOf('bob'));
    expect(await set(['ann', 'bob', 'cat'])).toBe('APPROVAL_REFUSED');
    expect(await set(['ann', 'bob'])).toBe('done');
  });

  it('move to another seal key with their requests open', async () => {
    const bench = await ApprovalBench.open();
    const [one] = bench.sealKeys.all;
    const [two] = newSealKeys('two').all;
    if (one === undefined || two === undefined) throw new Error('There are two seal keys.');
    const id = await bench.approved();
    const both = { ...bench.deps, sealKeys: new SealKeys([two, one]) };
    expect(await resignApprovers(both, signal)).toBe(true);
    expect(await resignApprovers(both, signal)).toBe(false);
    expect(openApprovers(bench.body(APPROVERS_NAME), both.sealKeys).kid).toBe(two.kid);
    expect((await showApproval(both, id, signal)).status).toBe('approved');
    expect(await bench.ask({}, both)).toBe('done');
  });

  it('have principals with a form, and an operator is the same on every host', () => {
    const ann = { principals: ['key:aabbccddeeff001122334455/01234567', 'oidc:https://i.example#ann', 'operator:ann'] };
    for (const [requester, is] of [
      ['operator:ann', true],
      ['operator:ann@desk', true],
      ['operator:anna@desk', false],
      ['operator:bob@ann', false],
      ['oidc:https://i.example#ann', true],
      ['oidc:https://i.example#ann@desk', false],
      ['key:aabbccddeeff001122334455/01234567', true],
      ['key:aabbccddeeff001122334455/01234568', false],
    ] as const) {
      expect([requester, isApproverOf(ann, requester)]).toEqual([requester, is]);
    }
    for (const text of [
      'ann',
      'operator:',
      'operator:a b',
      'key:12/34',
      'oidc:https://i',
      'oidc:i#',
      'operator:a\u0007',
    ]) {
      expect([text, isPrincipalText(text)]).toEqual([text, false]);
    }
  });

  it('have keys that mean something', () => {
    const refused = (work: () => unknown) => {
      try {
        work();
        return 'taken';
      } catch (error) {
        return codeOf(error);
      }
    };
    const order8 = '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05';
    const withSign = Buffer.from(order8, 'hex');
    withSign.writeUInt8(withSign.readUInt8(31) | 0x80, 31);
    for (const bytes of [Buffer.alloc(32), Buffer.from(order8, 'hex'), withSign, Buffer.alloc(31), Buffer.alloc(33)]) {
      expect(refused(() => checkPublicKey(bytes.toString('base64')))).toBe('INVALID_APPROVER_KEY');
    }
    const pem = (type: 'x25519' | 'ed448') =>
      Buffer.from(generateKeyPairSync(type as 'x25519').privateKey.export({ format: 'pem', type: 'pkcs8' }));
    for (const file of [pem('x25519'), pem('ed448'), Buffer.from('nothing'), Buffer.alloc(0)]) {
      expect(refused(() => parseApproverKey(file))).toBe('INVALID_APPROVER_KEY');
    }
    const encrypted = generateKeyPairSync('ed25519').privateKey.export({
      ...{ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'word' },
    });
    expect(() => parseApproverKey(Buffer.from(encrypted))).toThrow(/encrypted/);
  });
});

function otherPem(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
}
