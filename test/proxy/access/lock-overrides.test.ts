/**
 * Protects: object locks against a key that has only a part of the bucket. Whatever takes protection off an object needs a key for
 * the whole bucket, with every operation, by header, form field or document; and it is one event (seen here: DELETE was refused, but
 * PUT ?retention with the same header was signed and sent on).
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { writes } from '../../../proxy/access/action-table.ts';
import { OPERATIONS } from '../../../proxy/operations/table.ts';
import { sharedBench } from '../../helpers/bench.ts';
import type { TestTenant } from '../../helpers/proxy.ts';
import { type Header, md5Header, objectPath, type RawRequest, sendRaw, signedForm } from '../../helpers/raw-client.ts';

const bench = sharedBench();
const KEY = 'part/locked';
let ofPart: TestTenant;
let ofWhole: TestTenant;
let sent: string[];

beforeAll(async () => {
  const grant = (prefix: string) => ({ bucket: bench.bucket, prefix, access: 'read-write' as const });
  ofPart = await bench.proxy.createTenant([grant('part/')]);
  ofWhole = await bench.proxy.createTenant([grant('')]);
  // In the place of a store that has locks.
  bench.backend.intercept = async (request, next) => {
    if (request.bucket === bench.bucket && request.method !== 'GET' && request.method !== 'HEAD') {
      const names = Object.keys(request.headers ?? {}).filter((name) => /bypass|mfa/.test(name));
      sent.push([request.method, ...names].join(' '));
    }
    return next(request);
  };
});

const BYPASS: Header = ['x-amz-bypass-governance-retention', 'true'];
const MFA: Header = ['x-amz-mfa', '20899872 301749'];
const RETENTION =
  '<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>';
const deletion = `<Delete><Object><Key>${KEY}</Key></Object><Object><Key>part/b</Key></Object></Delete>`;

const hold = (status: string) => `<LegalHold>${status}</LegalHold>`;

async function attempt(as: TestTenant, request: Omit<RawRequest, 'path'> & { path?: string }) {
  const mark = bench.proxy.decisions.length;
  sent = [];
  const reply = await bench.send({ path: objectPath(bench.bucket, KEY), ...request }, as);
  const decisions = bench.proxy.decisions.slice(mark);
  return { reply, sent, decisions: decisions.map(({ action, decision }) => `${decision} ${action}`) };
}

const REFUSED = 'deny s3:BypassGovernanceRetention';

describe('a key for a part of the bucket', () => {
  const objectWrites = OPERATIONS.filter(({ name, selector }) => writes(name) && selector.level === 'object');
  test.each(objectWrites.map((operation) => [operation.name, operation] as const))(
    '%s with a header that overrides locks',
    async (_, { selector }) => {
      const query = (selector.subresources ?? []).map((name) => `${name}=1`).join('&');
      const source: Header[] = selector.copySource === true ? [['x-amz-copy-source', `/${bench.bucket}/${KEY}`]] : [];
      for (const header of [BYPASS, MFA]) {
        const tried = await attempt(ofPart, { method: selector.method, query, headers: [header, ...source] });
        expect([tried.reply.status, tried.reply.code]).toEqual([403, 'AccessDenied']);
        expect(tried.decisions.at(-1)).toBe(REFUSED);
        expect(tried.decisions.filter((one) => one.startsWith('deny'))).toHaveLength(1);
        expect(tried.sent).toEqual([]);
      }
    },
  );

  test('DeleteObjects: a row for each key, and none of them reaches the store', async () => {
    const request = { method: 'POST', path: `/${bench.bucket}`, query: 'delete', body: deletion };
    const tried = await attempt(ofPart, { ...request, headers: [md5Header(deletion), BYPASS] });
    expect(tried.reply.body.toString().match(/<Code>AccessDenied</g)).toHaveLength(2);
    expect(tried.decisions).toEqual(['allow s3:DeleteObject', REFUSED, 'allow s3:DeleteObject', REFUSED]);
    expect(tried.sent).toEqual([]);
  });

  test('a form', async () => {
    const fields = { [BYPASS[0]]: 'true' };
    const form = signedForm({ bucket: bench.bucket, key: KEY, content: 'x', fields }, ofPart);
    const headers: Header[] = [['host', new URL(bench.proxy.endpoint).host], ...form.headers];
    sent = [];
    const reply = await sendRaw(bench.proxy.endpoint, { method: 'POST', target: form.path, headers, body: form.body });
    expect([reply.status, reply.code, sent]).toEqual([403, 'AccessDenied', []]);
    expect(bench.proxy.decisions.at(-1)).toMatchObject({
      eventName: 'PostObject',
      action: 's3:BypassGovernanceRetention',
    });
  });

  test.each([
    hold('<Status>OFF</Status>'),
    hold('<Status>off</Status>'),
    hold('<Status> OFF </Status>'),
    hold('<Status>ON</Status><Status>OFF</Status>'),
    hold('<Status>OFF<x/></Status>'),
    hold(''),
  ])('a legal hold that may be switched off: %s', async (body) => {
    const tried = await attempt(ofPart, { method: 'PUT', query: 'legal-hold', body });
    expect([tried.reply.status, tried.reply.code]).toEqual([403, 'AccessDenied']);
    expect(tried.decisions).toEqual(['allow s3:PutObjectLegalHold', REFUSED]);
    expect(tried.sent).toEqual([]);
  });

  test('sets locks and holds, and deletes without overriding anything', async () => {
    const off: Header = [BYPASS[0], 'False'];
    const tries = [
      await attempt(ofPart, { method: 'PUT', query: 'retention', body: RETENTION, headers: [off] }),
      await attempt(ofPart, { method: 'PUT', query: 'legal-hold', body: hold('<Status>ON</Status>') }),
      await attempt(ofPart, { method: 'DELETE', headers: [off] }),
    ];
    // A switch that is off is not sent on: a store might take it for on.
    expect(tries.map((tried) => tried.sent)).toEqual([['PUT'], ['PUT'], ['DELETE']]);
  });
});

describe('a key for the whole bucket', () => {
  test('overrides locks, which is an event of its own', async () => {
    const override = await attempt(ofWhole, { method: 'PUT', query: 'retention', body: RETENTION, headers: [BYPASS] });
    expect(override.decisions).toEqual(['allow s3:PutObjectRetention', 'allow s3:BypassGovernanceRetention']);
    expect(override.sent).toEqual([`PUT ${BYPASS[0]}`]);
    const lift = await attempt(ofWhole, { method: 'PUT', query: 'legal-hold', body: hold('<Status>OFF</Status>') });
    expect(lift.decisions).toEqual(['allow s3:PutObjectLegalHold', 'allow s3:BypassGovernanceRetention']);
    const request = { method: 'POST', path: `/${bench.bucket}`, query: 'delete', body: deletion };
    const removal = await attempt(ofWhole, { ...request, headers: [md5Header(deletion), BYPASS] });
    expect(removal.decisions.filter((one) => one === 'allow s3:BypassGovernanceRetention')).toHaveLength(2);
    expect(removal.sent).toEqual([`POST ${BYPASS[0]}`]);
  });
});
