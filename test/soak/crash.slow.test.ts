/**
 * Protects: nothing is half-stored. The program is killed without warning in the
 * middle of many PUTs, several times; every object that it acknowledged is whole afterwards, and no other object is there in
 * part: it is whole, or the one that stood there before, or missing.
 */

import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createBucket } from '../e2e/support/client-suite.ts';
import { openDownload, openUpload, send, type Target, writeBody } from '../e2e/support/signed-stream.ts';
import { Stage } from '../e2e/support/stage.ts';
import { MiB } from '../helpers/bytes.ts';
import { generatedBody, sha256Of } from './support/generated-body.ts';

const ROUNDS = 8;
const WRITERS = 6;
/** Small ones are in the index, the others are files. */
const SIZES = [100, 200_000, 3 * MiB, 12 * MiB];

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open({ store: 'embedded store', transport: 'http', settings: { SEALGATE_LOG_LEVEL: 'info' } });
  await createBucket(stage);
});
afterAll(() => stage.close());

const target = (key: string): Target => ({
  endpoint: stage.endpoint,
  credentials: stage.tenant,
  bucket: stage.bucket,
  key,
});

/** What a key may hold: the last acknowledged content, and contents whose PUT was cut off. */
interface Expected {
  acknowledged: string | undefined;
  readonly uncertain: Set<string>;
}

test(`killed ${ROUNDS} times in the middle of PUTs`, async () => {
  const expected = new Map<string, Expected>();
  let acknowledged = 0;
  let cut = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const counts = await killedRound(round, expected);
    acknowledged += counts.acknowledged;
    cut += counts.cut;
    await stage.restart();
    await expectWhole(expected);
  }
  console.log(
    `killed ${ROUNDS} times: ${acknowledged} PUTs acknowledged, ${cut} cut off, ${expected.size} keys checked`,
  );
  expect(acknowledged).toBeGreaterThan(ROUNDS);
  expect(cut).toBeGreaterThanOrEqual(ROUNDS);
});

async function killedRound(
  round: number,
  expected: Map<string, Expected>,
): Promise<{ acknowledged: number; cut: number }> {
  let acknowledged = 0;
  let cut = 0;
  let done = false;
  const killAfter = randomInt(5, 40);
  const writer = async (number: number) => {
    for (let index = 0; !done; index++) {
      const key = `${number}/${index % 7}`;
      const seed = `${round} ${number} ${index}`;
      const bytes = SIZES[(number + index) % SIZES.length] ?? 0;
      const state = expected.get(key) ?? { acknowledged: undefined, uncertain: new Set() };
      expected.set(key, state);
      const sha256 = sha256Of(generatedBody(seed, bytes));
      state.uncertain.add(sha256);
      const stored = await put(key, seed, bytes);
      if (stored) {
        state.acknowledged = sha256;
        state.uncertain.clear();
        if (++acknowledged === killAfter) await stage.program.kill();
      } else {
        cut++;
        done = true;
      }
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, number) => writer(number)));
  return { acknowledged, cut };
}

/** Whether it was acknowledged. */
async function put(key: string, seed: string, bytes: number): Promise<boolean> {
  const { request, reply } = openUpload(target(key), bytes);
  const failed = new Promise<false>((resolve) =>
    request.once('close', () => resolve(false)).on('error', () => undefined),
  );
  const written = writeBody(request, generatedBody(seed, bytes)).then(() => request.end());
  written.catch(() => undefined);
  const status = await Promise.race([reply.then((response) => response.resume().statusCode), failed]).catch(
    () => false,
  );
  return status === 200;
}

async function expectWhole(expected: ReadonlyMap<string, Expected>): Promise<void> {
  for (const [key, { acknowledged, uncertain }] of expected) {
    const found = await contentOf(key);
    const allowed = [...uncertain, acknowledged ?? 'missing'];
    expect([key, allowed.includes(found), found.length]).toEqual([key, true, found === 'missing' ? 7 : 64]);
  }
  const listed = await send({ ...target(''), query: 'list-type=2' }, 'GET');
  const keys = [...listed.body.matchAll(/<Key>([^<]+)/g)].map(([, key = '']) => key);
  expect(keys.length).toBeGreaterThan(0);
  for (const key of keys) expect(expected.has(key)).toBe(true);
}

/** SHA-256 in hex, or 'missing'. */
async function contentOf(key: string): Promise<string> {
  const response = await openDownload(target(key));
  if (response.statusCode === 404) {
    response.resume();
    return 'missing';
  }
  expect([key, response.statusCode]).toEqual([key, 200]);
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece);
  return sha256Of(pieces);
}
