/**
 * Protects: conditions of writes, which two comparisons decide: the proxy's of the plaintext's ETag, then the backend's of the
 * stored one. What changes in between is told apart, and a backend that cannot compare is not asked to (seen elsewhere:
 * conditions ignored).
 */
import { createHash, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { errorReply } from '../helpers/backend-reply.ts';
import { openBench, setVersioning, sharedBench } from '../helpers/bench.ts';
import { type Header, objectPath, type RawRequest } from '../helpers/raw-client.ts';

const SMALL = randomBytes(1000);
const OTHER = randomBytes(1_000_000);

const bench = sharedBench();

let prefix = '';
let count = 0;
beforeEach(async () => {
  prefix = `case-${count++}/`;
  await bench.send(put('small', SMALL));
});

const pathOf = (name: string) => objectPath(bench.bucket, prefix + name);
const put = (name: string, body: Buffer): RawRequest => ({ method: 'PUT', path: pathOf(name), body });
const get = (name: string): RawRequest => ({ method: 'GET', path: pathOf(name) });
const etag = (text: string | Buffer) => `"${createHash('md5').update(text).digest('hex')}"`;

describe('a condition that the backend finds false after the proxy found it true', () => {
  /** Has `meanwhile` happen between the proxy's own check and the conditional request. */
  async function racing(method: 'PUT' | 'DELETE', meanwhile: () => Promise<unknown>): Promise<[number, string]> {
    let happened = false;
    bench.backend.intercept = async (request, next) => {
      if (request.method === method && request.headers?.['if-match'] !== undefined && !happened) {
        happened = true;
        await meanwhile();
      }
      return next(request);
    };
    const body = method === 'PUT' ? { body: 'mine' } : {};
    const reply = await bench.send({ method, path: pathOf('small'), headers: [['if-match', etag(SMALL)]], ...body });
    bench.backend.intercept = (request, next) => next(request);
    expect(happened).toBe(true);
    return [reply.status, reply.code];
  }

  test.each(['PUT', 'DELETE'] as const)('%s: other content meanwhile is 412', async (method) => {
    expect(await racing(method, () => bench.send(put('small', OTHER)))).toEqual([412, 'PreconditionFailed']);
    expect((await bench.send(get('small'))).body.equals(OTHER)).toBe(true);
  });

  test.each(['PUT', 'DELETE'] as const)(
    '%s: the same content sealed anew meanwhile is 409, to be tried again',
    async (method) => {
      expect(await racing(method, () => bench.send(put('small', SMALL)))).toEqual([409, 'ConditionalRequestConflict']);
      expect((await bench.send(get('small'))).body.equals(SMALL)).toBe(true);
    },
  );

  test('DELETE of a version whose condition the store decides by the current version, as S3 does, is 412', async () => {
    await setVersioning(bench, 'Enabled');
    const older = (await bench.send(put('small', SMALL))).headers['x-amz-version-id'];
    await bench.send(put('small', OTHER));
    bench.backend.intercept = async (request, next) =>
      request.headers?.['if-match'] === undefined
        ? next(request)
        : errorReply(request, { status: 412, code: 'PreconditionFailed' });
    const path = pathOf('small');
    const headers: Header[] = [['if-match', etag(SMALL)]];
    const reply = await bench.send({ method: 'DELETE', path, query: `versionId=${older}`, headers });
    bench.backend.intercept = (request, next) => next(request);
    await setVersioning(bench, 'Suspended');
    expect([reply.status, reply.code]).toEqual([412, 'PreconditionFailed']);
  });

  test('PUT: deleted meanwhile is 404, and it is not made again', async () => {
    const outcome = await racing('PUT', () => bench.send({ method: 'DELETE', path: pathOf('small') }));
    expect(outcome[0]).toBe(404);
    expect((await bench.send({ method: 'HEAD', path: pathOf('small') })).status).toBe(404);
  });
});

describe('conditions on a backend that cannot decide them', () => {
  const none = { conditionalPut: false, conditionalPutIfMatch: false, conditionalDelete: false };

  test('strict: 501, and the backend is not asked to write', async () => {
    const weak = await openBench({ capabilities: { ...bench.capabilities, ...none } });
    const path = objectPath(weak.bucket, 'k');
    await weak.send({ method: 'PUT', path, body: 'one' });
    for (const [method, name, value] of [
      ['PUT', 'if-none-match', '*'],
      ['PUT', 'if-match', '*'],
      ['DELETE', 'if-match', '*'],
    ] as const) {
      const mark = weak.backend.requests.length;
      const reply = await weak.send({
        method,
        path,
        headers: [[name, value]],
        ...(method === 'PUT' ? { body: 'two' } : {}),
      });
      expect([method, name, reply.status, reply.code]).toEqual([method, name, 501, 'NotImplemented']);
      expect(reply.body.toString()).toContain('SEALGATE_CONDITIONS=best-effort');
      expect(weak.backend.requests.slice(mark).filter((request) => request.method === method)).toEqual([]);
    }
    await weak.close();
  });

  test('best effort: checked by the proxy, and no condition is sent along', async () => {
    const weak = await openBench({
      capabilities: { ...bench.capabilities, ...none },
      config: { bestEffortConditions: true },
    });
    const path = objectPath(weak.bucket, 'k');
    const send = (method: string, header: Header, body?: string) =>
      weak.send({ method, path, headers: [header], ...(body === undefined ? {} : { body }) });
    expect((await send('PUT', ['if-none-match', '*'], 'one')).status).toBe(200);
    expect((await send('PUT', ['if-none-match', '*'], 'two')).status).toBe(412);
    expect((await send('PUT', ['if-match', '"wrong"'], 'two')).status).toBe(412);
    expect((await send('PUT', ['if-match', etag('one')], 'two')).status).toBe(200);
    expect((await send('DELETE', ['if-match', etag('one')])).status).toBe(412);
    expect((await send('DELETE', ['if-match', etag('two')])).status).toBe(204);
    const conditions = weak.backend.requests.filter(
      ({ bucket, headers }) => bucket === weak.bucket && Object.keys(headers).some((name) => name.startsWith('if-')),
    );
    expect(conditions).toEqual([]);
    await weak.close();
  });
});
