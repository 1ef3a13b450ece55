/**
 * Protects uploads from other tenants and narrower keys: whoever names an upload that is not theirs, by whatever
 * step, gets an error, learns nothing, and changes nothing.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { type Bench, sharedBench } from '../../helpers/bench.ts';
import type { TestTenant } from '../../helpers/proxy.ts';
import { type RawReply, sendSigned } from '../../helpers/raw-client.ts';
import { fingerprintOf } from '../../helpers/stored.ts';
import {
  beginUpload,
  createUpload,
  elements,
  type Listed,
  md5,
  openReplica,
  outcome,
  Upload,
  uploaded,
} from '../../helpers/uploads.ts';

const BODY = Buffer.from('theirs alone');

describe('uploads of others', () => {
  const bench = sharedBench();
  let stranger: TestTenant;
  let upload: Upload;
  let listed: Listed[];
  beforeAll(async () => {
    stranger = await bench.proxy.createTenant();
    upload = await beginUpload(bench, 'docs/theirs');
    listed = [await upload.put(1, BODY)];
    await uploaded({ ...bench, send: (request) => bench.send(request, stranger) }, 'strange/own', [BODY]);
  });

  const STEPS: Readonly<Record<string, (as: Upload) => Promise<RawReply>>> = {
    UploadPart: (as) => as.part(1, Buffer.from('other bytes')),
    UploadPartCopy: (as) => as.copy(1, `${bench.bucket}/strange/own`),
    ListParts: (as) => as.list(),
    CompleteMultipartUpload: (as) => as.complete(listed),
    AbortMultipartUpload: (as) => as.abort(),
  };

  const everything = async () => [
    await fingerprintOf(bench.backend, bench.bucket),
    await fingerprintOf(bench.backend, 'sealgate-state'),
  ];

  it.each(Object.keys(STEPS))('%s by another tenant is refused on every replica, and changes nothing', async (step) => {
    const act = STEPS[step];
    if (act === undefined) throw new Error(`no such step: ${step}`);
    const replica = await openReplica(bench);
    const before = await everything();
    for (const endpoint of [bench.proxy.endpoint, replica.proxy.endpoint]) {
      const strange = upload.through((request) => sendSigned(endpoint, stranger, request));
      const reply = await act(strange);
      expect([outcome(reply), reply.body.includes(md5(BODY))]).toEqual(['403 AccessDenied', false]);
    }
    expect(await everything()).toEqual(before);
    expect(elements(await upload.list(), 'ETag')).toEqual([`"${md5(BODY)}"`]);
    await replica.proxy.close();
  });

  it('each refusal is a security event that names the caller', () => {
    const events = bench.events('foreign-object');
    expect(events.length).toBeGreaterThanOrEqual(Object.keys(STEPS).length);
    for (const event of events) expect([event['tenant'], event['key']]).toEqual([stranger.tenant, upload.key]);
  });

  it.each(Object.keys(STEPS))('%s under another key, or in another bucket, finds no such upload', async (step) => {
    const act = STEPS[step];
    if (act === undefined) throw new Error(`no such step: ${step}`);
    for (const as of [bench.tenant, stranger]) {
      const elsewhere = new Upload({
        bucket: bench.bucket,
        key: 'docs/mine',
        id: upload.id,
        send: (request) => bench.send(request, as),
      });
      // The copy's source is the stranger's, so the owner of the upload may not read it.
      const wanted = step === 'UploadPartCopy' && as === bench.tenant ? /^40[34] / : /^404 NoSuchUpload$/;
      expect(outcome(await act(elsewhere))).toMatch(wanted);
    }
    expect(elements(await upload.list(), 'ETag')).toEqual([`"${md5(BODY)}"`]);
  });

  it.each(Object.keys(STEPS))('%s under another key at a store that finds uploads by their id alone', async (step) => {
    const act = STEPS[step];
    if (act === undefined) throw new Error(`no such step: ${step}`);
    const { backend } = bench;
    backend.intercept = (request, next) => {
      const isOfUpload = request.query?.some(([name]) => name === 'uploadId') === true;
      return next(isOfUpload ? { ...request, key: 'docs/theirs' } : request);
    };
    try {
      const before = await everything();
      const send = (request: Parameters<Bench['send']>[0]) => bench.send(request, stranger);
      const elsewhere = new Upload({ bucket: bench.bucket, key: 'strange/mine', id: upload.id, send });
      const mark = backend.requests.length;
      expect(outcome(await act(elsewhere))).toBe('404 NoSuchUpload');
      expect(backend.since(mark, bench.bucket).filter(({ query }) => 'uploadId' in query)).toEqual([]);
      expect(await everything()).toEqual(before);
      expect(elements(await upload.list(), 'ETag')).toEqual([`"${md5(BODY)}"`]);
    } finally {
      backend.intercept = (request, next) => next(request);
    }
  });

  it.each([
    ['read-only', { bucket: '*', prefix: '', access: 'read-only' }],
    ['for another prefix', { bucket: '*', prefix: 'other/', access: 'read-write' }],
    ['for another bucket', { bucket: 'another', prefix: '', access: 'read-write' }],
  ] as const)('a key that is %s takes no step', async (_name, grant) => {
    const narrow = await bench.proxy.createTenant([grant]);
    const as = upload.through((request) => bench.send(request, narrow));
    const before = await everything();
    const sent = (request: Parameters<Bench['send']>[0]) => bench.send(request, narrow);
    const replies = [await createUpload(sent, bench.bucket, 'docs/new')];
    const names = Object.keys(STEPS).filter((name) => name !== 'ListParts' || grant.access !== 'read-only');
    for (const name of names) replies.push((await STEPS[name]?.(as)) as RawReply);
    expect(replies.map(outcome)).toEqual(replies.map(() => '403 AccessDenied'));
    const uploads = await sent({ method: 'GET', path: `/${bench.bucket}`, query: 'uploads=' });
    expect(uploads.status).toBe(grant.bucket === '*' && grant.prefix === '' ? 200 : 403);
    expect(await everything()).toEqual(before);
  });

  it.each([
    ["another tenant's object", () => `${bench.bucket}/docs/finished`],
    ['the state bucket', () => `sealgate-state/keyrings/${bench.tenant.tenant}.json`],
  ])('UploadPartCopy from %s is refused, and no part appears', async (_name, source) => {
    await uploaded(bench, 'docs/finished', [BODY]);
    const own = await beginUpload({ ...bench, send: (request) => bench.send(request, stranger) }, 'strange/copy');
    expect(outcome(await own.copy(1, source()))).toBe('403 AccessDenied');
    expect(elements(await own.list(), 'PartNumber')).toEqual([]);
    expect(outcome(await own.abort())).toBe('204');
  });

  it('a finished upload cannot be completed again by a stranger: its ETag and checksum stay unknown', async () => {
    const done = await uploaded(bench, 'docs/done', [BODY]);
    const reply = await done.through((request) => bench.send(request, stranger)).complete(listed);
    expect([outcome(reply), elements(reply, 'ETag')]).toEqual(['404 NoSuchUpload', []]);
  });
});
