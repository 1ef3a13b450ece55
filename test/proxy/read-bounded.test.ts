// Protects: a command that is given a device, a pipe or a huge file where it expects a small one ends, and says so.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readBounded } from '../../proxy/read-bounded.ts';

test.each([0, 1, 99, 100, 101, 100_000])('a file of %i bytes, of which 100 are read', async (size) => {
  const directory = mkdtempSync(join(tmpdir(), 'sealgate-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const content = Buffer.alloc(size, 'abc');
  writeFileSync(join(directory, 'file'), content);
  expect(await readBounded(join(directory, 'file'), 100)).toEqual(content.subarray(0, 100));
});

test('a device without an end', async () => {
  expect(await readBounded('/dev/zero', 1000)).toEqual(Buffer.alloc(1000));
});

test('a file that is not there', async () => {
  await expect(readBounded('/nowhere/at/all', 10)).rejects.toMatchObject({ code: 'ENOENT' });
});
