// Protects: servers beside a deep rotation. Nobody sees an error or loses a write, a server that believes an older keyring
// reads it again when it meets a newer object, and a keyring that was put back to an older epoch is refused, as a security event.
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { keyringName } from '../../../proxy/keyring/state/records.ts';
import { countEpochs } from '../../../proxy/rotation/count-epochs.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { startTestProxy } from '../../helpers/proxy.ts';
import { openRotationBench, rotationOf } from './harness.ts';

const HOUR_MS = 3_600_000;

async function withBench(work: (bench: Bench) => Promise<void>): Promise<void> {
  const bench = await openBench();
  try {
    await work(bench);
  } finally {
    await bench.close();
  }
}

describe('beside running servers', () => {
  test('two of them write and read through a rotation: no error, no lost update', () =>
    withBench(async (bench) => {
      const { proxy, tenant, backend, capabilities } = bench;
      const second = await startTestProxy({ backend, capabilities, sealKeys: proxy.sealKeys });
      const clients = [bench.s3, second.client(tenant)];
      const keys = Array.from({ length: 12 }, (_, index) => `key-${index}`);
      let stop = false;
      const counts = { puts: 0, gets: 0 };
      const at = (Key: string) => ({ Bucket: bench.bucket, Key });
      const read = async (key: string, client = bench.s3) => {
        const { Body, Metadata } = await client.send(new GetObjectCommand(at(key)));
        return [await Body?.transformToString(), Metadata?.['number']];
      };
      // Both open the tenant before the epoch begins, and so go on to write under the older one.
      for (const client of clients) {
        for (const key of keys) await client.send(new PutObjectCommand({ ...at(key), Body: 'body 0' }));
      }
      // One writer a key, so that the last write is known; each write is read through the other server.
      const failures: unknown[] = [];
      const failed = (error: unknown) => {
        failures.push(error);
        stop = true;
        return 0;
      };
      const lasts = keys.map(async (key, index) => {
        let number = 0;
        while (!stop || number === 0) {
          number += 1;
          const Metadata = { number: String(number) };
          const [writer, reader] = [clients[(index + number) % 2], clients[(index + number + 1) % 2]];
          await writer?.send(new PutObjectCommand({ ...at(key), Body: `body ${number}`, Metadata }));
          counts.puts += 1;
          expect(await read(key, reader)).toEqual([`body ${number}`, String(number)]);
          counts.gets += 1;
        }
        return number;
      });
      const ended = lasts.map((last) => last.catch(failed));
      const rotation = rotationOf(bench, () => {});
      let rewrapped = 0;
      for (let epoch = 2; epoch <= 4; epoch += 1) {
        const { opened } = await rotation.begin();
        const enough = counts.puts + 5 * keys.length;
        while (counts.puts < enough && failures.length === 0) {
          const result = await rotation.drain(opened, { settledAfterMs: HOUR_MS });
          expect(result.retired).toEqual([]);
          // A key that is written all the time may be left to the next pass, and nothing else may happen to it.
          for (const { reason } of result.pass.failures) expect(reason).toBe('it was replaced at every attempt');
          rewrapped += result.rewrapped;
        }
      }
      stop = true;
      const written = await Promise.all(ended);
      expect(failures).toEqual([]);
      for (const [index, key] of keys.entries()) {
        expect(await read(key)).toEqual([`body ${written[index]}`, String(written[index])]);
      }
      expect(rewrapped).toBeGreaterThan(keys.length);
      expect(bench.events().filter(({ kind }) => kind !== 'tenant-created')).toEqual([]);
      await second.close();
    }));

  test('a server that believes an older keyring reads it again for newer objects, uploads and listings', () =>
    withBench(async (bench) => {
      const at = { Bucket: bench.bucket, Key: 'object' };
      await bench.s3.send(new PutObjectCommand({ ...at, Body: 'x'.repeat(100) }));
      const rotation = rotationOf(bench, () => {});
      const { opened } = await rotation.begin();
      await rotation.drain(opened, { settledAfterMs: HOUR_MS });
      const { Body } = await bench.s3.send(new GetObjectCommand(at));
      expect(await Body?.transformToString()).toBe('x'.repeat(100));
      expect((await bench.s3.send(new HeadObjectCommand(at))).ContentLength).toBe(100);
      const listed = await bench.s3.send(new ListObjectsV2Command({ Bucket: bench.bucket }));
      expect(listed.Contents?.map(({ Size }) => Size)).toEqual([100]);
    }));

  test('an upload begun at one server under a new epoch goes on at another that does not know it yet', () =>
    withBench(async (bench) => {
      const { proxy, tenant, backend, capabilities } = bench;
      const at = { Bucket: bench.bucket, Key: 'upload' };
      // The first server opened the tenant; the second one starts after the epoch began.
      await bench.s3.send(new PutObjectCommand({ ...at, Body: 'before' }));
      await rotationOf(bench, () => {}).begin();
      const second = await startTestProxy({ backend, capabilities, sealKeys: proxy.sealKeys });
      const { UploadId } = await second.client(tenant).send(new CreateMultipartUploadCommand(at));
      const { ETag } = await bench.s3.send(new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: 'part' }));
      const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
      await bench.s3.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload }));
      const { Body } = await bench.s3.send(new GetObjectCommand(at));
      expect(await Body?.transformToString()).toBe('part');
      await second.close();
    }));

  test('a keyring put back to an older epoch opens no newer object, and is a security event', async () => {
    const { bench, rotation } = await openRotationBench();
    try {
      const at = { Bucket: bench.bucket, Key: 'object' };
      await bench.s3.send(new PutObjectCommand({ ...at, Body: 'x' }));
      const signal = AbortSignal.timeout(60_000);
      const name = keyringName(bench.tenant.tenant);
      const older = await rotation.deps.state.get(name, signal);
      const { opened } = await rotation.begin();
      await rotation.drain(opened);
      await rotation.deps.state.replace(name, older?.body ?? Buffer.alloc(0), signal);
      // A server that was started later: it has seen no newer generation.
      const { backend, capabilities, proxy, tenant } = bench;
      const fresh = await startTestProxy({ backend, capabilities, sealKeys: proxy.sealKeys });
      await expect(fresh.client(tenant).send(new GetObjectCommand(at))).rejects.toMatchObject({
        name: 'InternalError',
      });
      const events = fresh.log.filter(({ securityEvent }) => securityEvent !== undefined);
      expect(events).toMatchObject([{ securityEvent: 'keyring-rollback', tenant: tenant.tenant, key: 'object' }]);
      await fresh.close();
      const source = { backend, signal, stateBucket: 'sealgate-state' };
      expect((await countEpochs(source, tenant.tenant)).epochs).toEqual({ 2: { current: 1, noncurrent: 0 } });
    } finally {
      await bench.close();
    }
  });
});
