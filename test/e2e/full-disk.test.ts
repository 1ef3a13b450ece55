/**
 * Protects: the program on a disk without a single free block. It starts, reads and deletes go through, a write is told why it is
 * refused, and once something was deleted writes go on.
 */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { SmallDisk } from '../helpers/small-disk.ts';
import { createBucket } from './support/client-suite.ts';
import { openDownload, openUpload, send, type Target, text } from './support/signed-stream.ts';
import { Stage } from './support/stage.ts';

const disk = SmallDisk.mount(64);
afterAll(() => disk?.unmount());

test.skipIf(disk === undefined).each(['1', '2'])('%s processes', async (workers) => {
  if (disk === undefined) return;
  const store = join(disk.directory, `store-${workers}`);
  const stage = await Stage.open({
    store: 'embedded store',
    transport: 'http',
    settings: { SEALGATE_BACKEND: `local:${store}`, SEALGATE_WORKERS: workers },
  });
  const target = (key: string): Target => ({
    endpoint: stage.endpoint,
    credentials: stage.tenant,
    bucket: stage.bucket,
    key,
  });
  const put = async (key: string, bytes: number) => {
    const { request, reply } = openUpload(target(key), bytes);
    // A refusal may come, and end the connection, before all of it is sent.
    request.on('error', () => undefined).end(Buffer.alloc(bytes, key));
    const response = await reply;
    return { status: response.statusCode, body: await text(response) };
  };
  try {
    await createBucket(stage);
    for (const key of ['kept', 'large', 'other']) expect((await put(key, 6 * MiB)).status).toBe(200);
    await stage.restart(async () => disk.fill());
    const download = await openDownload(target('kept'));
    expect([download.statusCode, (await text(download)).length]).toEqual([200, 6 * MiB]);
    for (const bytes of [10, 3 * MiB]) {
      const refused = await put('refused', bytes);
      expect([refused.status, refused.body]).toEqual([503, expect.stringContaining('no room left')]);
    }
    expect((await send(target('refused'), 'HEAD')).status).toBe(404);
    for (const key of ['large', 'other']) {
      expect((await send(target(key), 'DELETE')).status).toBe(204);
      expect((await send(target(key), 'GET')).status).toBe(404);
    }
    // The files of what was deleted go a moment later.
    await expect.poll(async () => (await put('again', 10)).status).toBe(200);
    expect(stage.program.output()).toContain('ENOSPC');
  } finally {
    await stage.close();
    disk.makeRoom();
  }
});
