/**
 * Protects the format across versions of the program and across implementations: the committed vectors give their results
 * here and in the independent Python reader, and are what the generator writes.
 */
import { Buffer } from 'node:buffer';
import { execFile, execFileSync } from 'node:child_process';
import { createHash, createSecretKey } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { formatErrorCodes } from '../../crypto/errors.ts';
import { describeObject } from './describe-object.ts';
import { codeOf } from './expect-code.ts';
import { flipped } from './forge.ts';
import { type OpenedObject, openObject, sealObject, singlePart } from './object.ts';
import { fieldOf, fieldsOf, parseVectorFile } from './vector-file.ts';
import { NAME } from './vectors/build.ts';
import { VECTOR_CASES } from './vectors/cases.ts';

const run = promisify(execFile);
const path = (relative: string) => fileURLToPath(new URL(`../vectors/${relative}`, import.meta.url));
const directory = path('format');
const files = readdirSync(directory).sort();

/** What decode.py needs of test/vectors/keyring/opens.json. */
interface KeyringVector {
  readonly tenant: string;
  readonly epoch: number;
  /** Hexadecimal, by epoch. */
  readonly roots: Readonly<Record<string, string>>;
  readonly keyring: string;
  readonly secretAccessKey: string;
}

describe('the vectors', () => {
  it.each(files)('%s', (file) => {
    const vector = parseVectorFile(readFileSync(join(directory, file)));
    const roots = new Map(
      fieldsOf(vector, 'root').map((root): [string, string] => [root.split(' ')[0] ?? '', root.split(' ')[1] ?? '']),
    );
    const root = (epoch: number) => {
      const hex = roots.get(String(epoch));
      return hex === undefined ? undefined : createSecretKey(Buffer.from(hex, 'hex'));
    };
    const name = {
      tenant: Buffer.from(fieldOf(vector, 'tenant'), 'hex'),
      bucket: JSON.parse(fieldOf(vector, 'bucket')) as string,
      key: JSON.parse(fieldOf(vector, 'key')) as string,
    };
    const header = Object.fromEntries(vector.fields.filter(([field]) => field.startsWith('enc-')));
    let opened: OpenedObject | undefined;
    const result = codeOf(() => {
      opened = openObject({ root, name, header, body: vector.body });
    });
    expect(result).toBe(fieldOf(vector, 'result'));
    if (opened === undefined) return;
    expect(JSON.parse(JSON.stringify(describeObject(opened)))).toEqual(JSON.parse(fieldOf(vector, 'attributes')));
    expect(createHash('sha256').update(opened.plaintext).digest('hex')).toBe(fieldOf(vector, 'plaintext-sha256'));
  });

  it('are all there, and show every error', () => {
    expect(files).toHaveLength(131);
    expect(files).toEqual(VECTOR_CASES.map(({ file }) => file).sort());
    const results = new Set(
      files.map((file) => fieldOf(parseVectorFile(readFileSync(join(directory, file))), 'result')),
    );
    expect([...results].sort()).toEqual([...formatErrorCodes(), 'success'].sort());
  });

  it('are what the generator writes', async () => {
    const { stdout } = await run(process.execPath, [path('make.ts'), '--check']);
    expect(stdout).toBe(`${files.length} vectors\n`);
  });
});

const hasPython = (() => {
  try {
    execFileSync('python3', ['-c', 'import cryptography'], { stdio: 'ignore' });
    return true;
  } catch {
    console.warn('decode.py is not tested here: python3 with the cryptography package is missing.');
    return false;
  }
})();

describe.skipIf(!hasPython)('the independent reader', () => {
  const decoder = path('decode.py');
  const scratch = mkdtempSync(join(tmpdir(), 'sealgate-decode-'));
  afterAll(() => rmSync(scratch, { recursive: true }));
  const vector = parseVectorFile(readFileSync(join(directory, 'multipart-gaps')));

  /** `object` on a vector's header and a body, under a root key. */
  function decodeObject(body: Buffer, root: string) {
    const metadata = Object.fromEntries(
      vector.fields
        .filter(([field]) => field.startsWith('enc-'))
        .map(([field, value]) => [`x-amz-meta-${field}`, value]),
    );
    writeFileSync(join(scratch, 'metadata.json'), JSON.stringify(metadata));
    writeFileSync(join(scratch, 'body'), body);
    const names = ['--bucket', NAME.bucket, '--key', NAME.key, '--root-hex', root, '--out', join(scratch, 'plain')];
    const stored = ['--body', join(scratch, 'body'), '--metadata', join(scratch, 'metadata.json')];
    return run('python3', [decoder, 'object', ...stored, ...names]);
  }

  it('gives the result of every vector', async () => {
    const { stdout } = await run('python3', [decoder, 'vectors', directory]);
    expect(stdout).toBe(`${files.length} vectors, 0 failures\n`);
  });

  it('fails on vectors that do not give their result, and where there are none', async () => {
    const bad = mkdtempSync(join(scratch, 'bad-'));
    await expect(run('python3', [decoder, 'vectors', bad])).rejects.toMatchObject({ code: 1 });
    const small = readFileSync(join(directory, 'small-1'));
    writeFileSync(join(bad, 'small-1'), flipped(small, small.length - 1));
    const refused = readFileSync(join(directory, 'attrs-flipped'));
    writeFileSync(
      join(bad, 'other-code'),
      Buffer.from(refused.toString('latin1').replace('HEADER_REFUSED', 'UNKNOWN_EPOCH'), 'latin1'),
    );
    await expect(run('python3', [decoder, 'vectors', bad])).rejects.toMatchObject({
      code: 1,
      stdout: 'other-code: HEADER_REFUSED\nsmall-1: SEGMENT_REFUSED\n2 vectors, 2 failures\n',
    });
  });

  it('opens the keyrings, and refuses those to be refused at their step', async () => {
    const { stdout } = await run('python3', [decoder, 'keyrings', path('keyring')]);
    expect(stdout).toMatch(/^[1-9]\d* keyring vectors, 0 failures\n$/);
  });

  it('opens a stored object under a root key, and no other', async () => {
    const { stderr } = await decodeObject(vector.body, '11'.repeat(32));
    expect(JSON.parse(stderr)).toEqual(JSON.parse(fieldOf(vector, 'attributes')));
    const plaintext = readFileSync(join(scratch, 'plain'));
    expect(createHash('sha256').update(plaintext).digest('hex')).toBe(fieldOf(vector, 'plaintext-sha256'));
    await expect(decodeObject(vector.body, '12'.repeat(32))).rejects.toMatchObject({
      stderr: 'decode.py: HEADER_REFUSED\n',
    });
    await expect(decodeObject(flipped(vector.body, 99), '11'.repeat(32))).rejects.toMatchObject({
      stderr: 'decode.py: SEGMENT_REFUSED\n',
    });
  });

  it('opens a stored object under the keyring and the API key of its tenant', async () => {
    const vectors = JSON.parse(readFileSync(path('keyring/opens.json'), 'utf8')) as readonly KeyringVector[];
    for (const keyring of vectors) {
      const root = createSecretKey(Buffer.from(keyring.roots[keyring.epoch] ?? '', 'hex'));
      const name = { tenant: Buffer.from(keyring.tenant, 'hex'), bucket: 'b', key: 'k' };
      const plaintext = Buffer.from(keyring.tenant);
      const stored = sealObject({ root, epoch: keyring.epoch, name, layout: 1, parts: singlePart(plaintext) });
      writeFileSync(join(scratch, 'body'), stored.body);
      writeFileSync(join(scratch, 'metadata.json'), JSON.stringify(stored.header));
      writeFileSync(join(scratch, 'keyring.json'), keyring.keyring);
      writeFileSync(join(scratch, 'api-key'), `${keyring.secretAccessKey}\n`);
      const decode = (apiKey: string) =>
        run('python3', [
          ...[decoder, 'object', '--body', join(scratch, 'body'), '--metadata', join(scratch, 'metadata.json')],
          ...['--bucket', 'b', '--key', 'k', '--keyring', join(scratch, 'keyring.json')],
          ...['--api-key-file', join(scratch, apiKey)],
        ]);
      expect((await decode('api-key')).stdout).toBe(keyring.tenant);
      if (keyring !== vectors[0]) continue;
      const other = keyring.secretAccessKey.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'));
      writeFileSync(join(scratch, 'other-key'), other);
      await expect(decode('other-key')).rejects.toMatchObject({ code: 1, stdout: '' });
    }
    expect(vectors.length).toBeGreaterThan(0);
  });
});
