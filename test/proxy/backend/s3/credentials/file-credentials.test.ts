// Protects: keys in files are replaced without a restart, never an id of one pair with the secret of another, and a file that
// cannot be read takes nothing away.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { CredentialEvent, Credentials } from '../../../../../proxy/backend/s3/credentials/credential-source.ts';
import { FileCredentials } from '../../../../../proxy/backend/s3/credentials/file-credentials.ts';

function files() {
  const directory = mkdtempSync(join(tmpdir(), 'sealgate-keys-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = (name: string) => join(directory, name);
  const write = (name: string, text: string) => writeFileSync(path(name), text);
  write('id', 'first-id\n');
  write('secret', 'first-secret\n');
  const clock = { now: 1_000_000 };
  const events: CredentialEvent[] = [];
  const of = (withToken: boolean) =>
    new FileCredentials({
      files: {
        accessKeyId: { path: path('id') },
        secretAccessKey: { path: path('secret') },
        sessionToken: withToken ? { path: path('token') } : undefined,
      },
      now: () => clock.now,
      onEvent: (event) => events.push(event),
    });
  return { of, clock, events, write, remove: (name: string) => rmSync(path(name)) };
}

/** What is in force once the look that a request begins is over. */
async function after(source: FileCredentials, clock: { now: number }): Promise<Credentials> {
  const before = await source.current();
  clock.now += 1_000;
  await source.current();
  await expect
    .poll(async () => {
      clock.now += 1_000;
      return (await source.current()) !== before || source.status.failures > 0;
    })
    .toBe(true);
  return source.current();
}

test('read at the first request, without the line end, and with a token', async () => {
  const { of, write } = files();
  write('token', 'T0/ken+==\r\n');
  expect(await of(true).current()).toEqual({
    accessKeyId: 'first-id',
    secretAccessKey: 'first-secret',
    sessionToken: 'T0/ken+==',
  });
});

test('as long as nothing changes, the same object is given at once', async () => {
  const { of, clock } = files();
  const source = of(false);
  const first = await source.current();
  for (let i = 0; i < 5; i++) {
    clock.now += 1_000;
    expect(source.current()).toBe(first);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

test('a pair that is replaced is in force', async () => {
  const { of, clock, events, write } = files();
  const source = of(false);
  await source.current();
  write('id', 'second-id');
  write('secret', 'second-secret');
  expect(await after(source, clock)).toEqual({ accessKeyId: 'second-id', secretAccessKey: 'second-secret' });
  expect(events).toEqual([{ kind: 'renewed', expires: undefined }]);
});

test.each([
  ['empty', (write: (name: string, text: string) => void) => write('secret', '')],
  ['two words', (write: (name: string, text: string) => void) => write('secret', 'a b')],
  ['gone', (_: unknown, remove: (name: string) => void) => remove('secret')],
])('a file that is %s leaves the pair in force, and is told', async (_, spoil) => {
  const { of, clock, events, write, remove } = files();
  const source = of(false);
  const first = await source.current();
  spoil(write, remove);
  expect(await after(source, clock)).toBe(first);
  expect(events[0]).toMatchObject({ kind: 'failed' });
  expect(source.status.failures).toBeGreaterThan(0);
  write('secret', 'mended');
  write('id', 'mended');
  await expect
    .poll(async () => {
      clock.now += 1_000;
      return (await source.current()).accessKeyId;
    })
    .toBe('mended');
});
