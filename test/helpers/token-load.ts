/** PUTs and GETs through a proxy whose own credentials at the store end again and again: what of them fails. */
import { randomBytes } from 'node:crypto';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { awsCredentials } from '../../proxy/backend/s3/credentials/aws-chain.ts';
import { openS3Backend } from '../../proxy/backend/s3/s3.ts';
import { startMoto } from './moto.ts';
import { startTestProxy } from './proxy.ts';
import { tokenStore } from './token-store.ts';

export interface LoadResult {
  readonly requests: number;
  readonly errors: readonly string[];
  readonly issued: number;
  readonly refused: Readonly<Record<string, number>>;
}

const SIZES = [1_000, 100_000, 1_500_000, 6_000_000];
const CLIENTS = 6;

/** `undefined` without moto_server. The issuer is broken for the time of `brokenMs` in the middle. */
export async function loadWithTokens(o: {
  lifeMs: number;
  forMs: number;
  brokenMs?: number;
}): Promise<LoadResult | undefined> {
  const moto = await startMoto();
  if (moto === undefined) return undefined;
  const store = await tokenStore({ inner: moto.endpoint, lifeMs: o.lifeMs });
  process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = store.issuer.href;
  const credentials = awsCredentials({ region: 'us-east-1' });
  const backend = openS3Backend({ endpoint: store.endpoint, credentials, region: 'us-east-1', pathStyle: true });
  const proxy = await startTestProxy({ backend, config: { logLevel: 'warn' } });
  const client = proxy.client(await proxy.createTenant());
  const bucket = { method: 'PUT', bucket: 'data', signal: AbortSignal.timeout(60_000) } as const;
  (await backend.send(bucket)).body.resume();
  const errors: string[] = [];
  let requests = 0;
  const end = Date.now() + o.forMs;
  const half = Date.now() + o.forMs / 2;
  const brokenMs = o.brokenMs ?? 0;
  await Promise.all(
    Array.from({ length: CLIENTS }, async (_, index) => {
      for (let round = index; Date.now() < end; round += 1) {
        if (brokenMs > 0) store.break(Date.now() > half && Date.now() < half + brokenMs);
        const Key = `k${index}-${round % 20}`;
        const body = randomBytes(SIZES[round % SIZES.length] ?? 0);
        try {
          await client.send(new PutObjectCommand({ Bucket: 'data', Key, Body: body }));
          const { Body } = await client.send(new GetObjectCommand({ Bucket: 'data', Key }));
          if (!body.equals(Buffer.from((await Body?.transformToByteArray()) ?? []))) throw new Error('other bytes');
        } catch (error) {
          errors.push(error instanceof Error ? `${error.name}: ${error.message}` : 'unknown');
        }
        requests += 2;
      }
    }),
  );
  delete process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'];
  client.destroy();
  await proxy.close();
  await backend.close();
  const result = { requests, errors, issued: store.issued(), refused: Object.fromEntries(store.refused) };
  await store.close();
  await moto.stop();
  return result;
}
