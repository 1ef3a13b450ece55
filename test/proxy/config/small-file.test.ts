// Protects: a command that is given a device, a pipe or a huge file where it expects a small one ends, and says so; nothing is
// taken for the whole of what was cut.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { readSmallFile, readSmallStream } from '../../../proxy/config/small-file.ts';

class Failure extends Error {}
const o = { maxBytes: 100, Failure };

function fileOf(size: number): string {
  const directory = mkdtempSync(join(tmpdir(), 'sealgate-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'file'), Buffer.alloc(size, 'abc'));
  return join(directory, 'file');
}

test.each([0, 1, 99, 100])('%i bytes, where 100 are allowed', async (size) => {
  expect(await readSmallFile(fileOf(size), o)).toEqual(Buffer.alloc(size, 'abc'));
});

test.each([101, 100_000])('%i bytes, where 100 are allowed, are refused', async (size) => {
  const path = fileOf(size);
  const outcome = await readSmallFile(path, o).catch((error: unknown) => error);
  expect(outcome).toBeInstanceOf(Failure);
  expect(String(outcome)).toContain(`${path} is too long`);
});

test('a device without an end', async () => {
  await expect(readSmallFile('/dev/zero', o)).rejects.toThrow(Failure);
});

test('a stream without an end is ended', async () => {
  let isEnded = false;
  async function* endless() {
    try {
      for (;;) yield Buffer.alloc(60);
    } finally {
      isEnded = true;
    }
  }
  await expect(readSmallStream(endless(), { ...o, name: 'standard input' })).rejects.toThrow(
    'standard input is too long',
  );
  expect(isEnded).toBe(true);
  const whole = Readable.from([Buffer.alloc(60), Buffer.alloc(40)]) as AsyncIterable<Buffer>;
  expect(await readSmallStream(whole, { ...o, name: 'standard input' })).toEqual(Buffer.alloc(100));
});

test('a file that is not there', async () => {
  const outcome = await readSmallFile('/nowhere/at/all', o).catch((error: unknown) => error);
  expect(outcome).toBeInstanceOf(Failure);
  expect(String(outcome)).toContain('/nowhere/at/all cannot be read (ENOENT)');
});
