// Protects: a key that takes another's place is in its owner's hands before the other is gone, whatever fails or is killed in
// between; and a key of which nothing came is said to be void, and leaves no file.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BackendResponse, BackendUnavailable } from '../../../proxy/backend/backend.ts';
import { SecretFileError } from '../../../proxy/cli/secret-file.ts';
import { MAX_KEYRING_SLOTS } from '../../../proxy/limits.ts';
import { failure } from '../../helpers/state-backend.ts';
import type { TenancyHarness } from '../../helpers/tenancy-harness.ts';
import { json, openKeyCommands as setup } from './harness.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-issued-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** The state takes a keyring, or seems to, as `answer` says. */
function onKeyringWrite(
  harness: TenancyHarness,
  answer: (write: () => void) => BackendResponse | Promise<never> | undefined,
) {
  harness.backend.intercept = ({ method, key, body }) => {
    if (method !== 'PUT' || key?.startsWith('p/keyrings/') !== true || !Buffer.isBuffer(body)) return undefined;
    return answer(() => harness.backend.overwrite('state', key, body));
  };
}

type Commands = Awaited<ReturnType<typeof setup>>;

/** Commands that hand something out, and whether the caller's own access key id still works after them. */
const COMMANDS: readonly (readonly [args: readonly string[], stays: boolean])[] = [
  [['rotate'], false],
  [['rotate', '--registered'], false],
  [['rotate', '--grace', '1h'], true],
  [['reissue', '--registered'], false],
  [['create'], true],
  [['import', '--key-file', '-', '--registered'], true],
];
const stdin = 'Vt8/q2Lw+5nRz0KfYc7XhG3mJpUe1sBd9aToW6iE';

/** The access key id in what was printed or written. */
const idIn = (text: string) => /\b(SG1|SGRK)[\w-]+/.exec(text)?.[0] ?? '';

const ids = ({ harness }: Commands) => harness.backend.keys('state').filter((name) => name.startsWith('p/ids/'));

describe.each(COMMANDS)('%j', (args, stays) => {
  it('has printed the key when the keyring is written', async () => {
    for (const form of [[], ['--json']]) {
      const o = await setup();
      const handed: string[] = [];
      const killed = Promise.withResolvers<string>();
      onKeyringWrite(o.harness, (write) => {
        killed.resolve(handed.join());
        write();
        // As of a process that was killed, nothing more is heard of it.
        return Promise.withResolvers<never>().promise;
      });
      const handOver = async (text: string) => void handed.push(text);
      void o.run([...args, ...form], { stdin, handOver });
      const seen = await killed.promise;
      o.harness.backend.intercept = () => undefined;
      // What a registered id needs is in the state before, too.
      expect(await o.outcome(idIn(seen))).toBe('opened');
      expect(await o.outcome(o.key.accessKeyId)).toBe(stays ? 'opened' : 'InvalidAccessKeyId');
    }
  });

  it('changes nothing when nobody takes the key', async () => {
    const o = await setup();
    const handOver = async () => {
      throw new SecretFileError('Standard output cannot be written (EPIPE).');
    };
    const { code, out, err } = await o.run(args, { stdin, handOver });
    expect([code, out, err]).toEqual([1, [], ['sealgate key: Standard output cannot be written (EPIPE).']]);
    expect((await o.run(['list', o.tenant, '--json'])).out).toHaveLength(1);
    expect([await o.outcome(o.key.accessKeyId), ids(o)]).toEqual(['opened', []]);
  });

  it('says that what was printed is void when the keyring could not be written', async () => {
    const o = await setup();
    onKeyringWrite(o.harness, () => failure(500, 'InternalError'));
    const { code, out, err } = await o.run([...args, '--json'], { stdin });
    o.harness.backend.intercept = () => undefined;
    expect([code, err[0], err.length]).toEqual([1, 'What was printed is void: nothing was changed.', 2]);
    expect(err[1]).toMatch(/The store's answer: 500 InternalError to PutObject/);
    expect(await o.outcome(idIn(out.join()))).toBe('InvalidAccessKeyId');
    expect([await o.outcome(o.key.accessKeyId), ids(o)]).toEqual(['opened', []]);
  });

  it('leaves no file when the keyring could not be written', async () => {
    const o = await setup();
    let begun = 0;
    onKeyringWrite(o.harness, () => {
      begun = readdirSync(directory).length;
      return failure(500, 'InternalError');
    });
    expect(await o.run([...args, '--out', join(directory, 'key.json')], { stdin })).toMatchObject({ code: 1, out: [] });
    expect([begun, await readdir(directory)]).toEqual([1, []]);
  });

  it('hands the key out all the same when it is not known whether the keyring was written', async () => {
    for (const path of [undefined, join(directory, 'key.json')]) {
      const o = await setup();
      onKeyringWrite(o.harness, (write) => {
        write();
        o.harness.backend.isDown = true;
        throw new BackendUnavailable('the answer was lost');
      });
      const form = path === undefined ? ['--json'] : ['--out', path];
      const { code, out, err } = await o.run([...args, ...form], { stdin });
      o.harness.backend.isDown = false;
      o.harness.backend.intercept = () => undefined;
      expect([code, err.join(' ')]).toEqual([1, expect.stringMatching(/[Kk]eep it.*not known whether/)]);
      const text = path === undefined ? out.join() : await readFile(path, 'utf8');
      expect(await o.outcome(idIn(text))).toBe('opened');
    }
  });
});

it('a rotation says in JSON what it replaced, before it does', async () => {
  const { run, key } = await setup();
  const { code, out, err } = await run(['rotate', '--grace', '1h', '--json']);
  expect([code, out.length, err]).toEqual([0, 1, []]);
  expect(json({ code, out, err })).toMatchObject({ replaced: key.slot, replacedUntil: '2026-06-01T01:00:00Z' });
});

it('a keyring that is full shows no key that could not count', async () => {
  const { run, harness } = await setup(Array.from({ length: MAX_KEYRING_SLOTS }, () => ({})));
  const { code, out, err } = await run(['create']);
  expect([code, out, err.length]).toEqual([1, [], 1]);
  expect(err[0]).toMatch(/64 keys.*'sealgate key revoke [0-9a-f]{24} KEY'/);
  expect(harness.backend.requests.filter(({ method }) => method === 'PUT')).toEqual([]);
});

describe('a rotation into a file', () => {
  it('has the new key on the disk before the old one is gone', async () => {
    const { harness, run, outcome, key } = await setup();
    const seen: string[] = [];
    onKeyringWrite(harness, (write) => {
      const [aside = ''] = readdirSync(directory);
      seen.push(aside, readFileSync(join(directory, aside), 'utf8'));
      // As if the process were killed with the answer on its way.
      write();
      return undefined;
    });
    await run(['rotate', '--out', join(directory, 'new.json')]);
    harness.backend.intercept = () => undefined;
    const [aside, text = ''] = seen;
    expect(aside).toMatch(/^new\.json\.[0-9a-f]{12}\.new$/);
    const kept = JSON.parse(text);
    expect([await outcome(key.accessKeyId), await outcome(kept.accessKeyId)]).toEqual(['InvalidAccessKeyId', 'opened']);
    expect(kept.secretAccessKey).toMatch(/^\S{40,}$/);
  });

  it('whose name was taken meanwhile says where the key is, and touches nothing of the other file', async () => {
    const { harness, run, outcome } = await setup();
    const path = join(directory, 'new.json');
    onKeyringWrite(harness, () => {
      writeFileSync(path, "somebody else's");
      return undefined;
    });
    const { code, out, err } = await run(['rotate', '--out', path]);
    const aside = /is in (\S+\.new)\./.exec(err.join())?.[1] ?? '';
    expect([code, out, await readFile(path, 'utf8')]).toEqual([1, [], "somebody else's"]);
    expect(await outcome(JSON.parse(await readFile(aside, 'utf8')).accessKeyId)).toBe('opened');
  });
});
