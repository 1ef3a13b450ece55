/** Protects restores: a plain one passes, one that would read contents at the backend is refused. */
import { Readable } from 'node:stream';
import { beforeAll, expect, it } from 'vitest';
import { sharedBench } from '../../helpers/bench.ts';

const bench = sharedBench();
let arrived = 0;
beforeAll(async () => {
  bench.backend.intercept = async (request, next) => {
    if (request.method !== 'POST') return next(request);
    arrived += 1;
    return { status: 202, headers: {}, body: Readable.from([]) };
  };
});

const restore = (body: string) => bench.send({ method: 'POST', path: `/${bench.bucket}/k`, query: 'restore=', body });

it('passes a plain restore with its status', async () => {
  const reply = await restore('<RestoreRequest><Days>2</Days></RestoreRequest>');
  expect([reply.status, arrived]).toEqual([202, 1]);
});

it.each([
  '<Type>SELECT</Type>',
  '<SelectParameters><Expression>SELECT * FROM S3Object</Expression></SelectParameters>',
  '<OutputLocation><S3><BucketName>elsewhere</BucketName></S3></OutputLocation>',
])('refuses %s', async (part) => {
  const before = arrived;
  const reply = await restore(`<RestoreRequest>${part}</RestoreRequest>`);
  expect([reply.status, reply.code]).toEqual([501, 'NotImplemented']);
  expect(arrived).toBe(before);
});
