/** Protects: MinIO's own command line works unchanged: mirrors that move nothing the second time, parts, tags, shared URLs. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { type Check, clientSuite, LeftOut } from './support/client-suite.ts';
import { goProgram } from './support/installed-clients.ts';
import { digestsOfFile } from './support/plaintext.ts';
import { LIBRARY_STAGES } from './support/program-checks.ts';
import { runClient } from './support/run-client.ts';
import type { Stage } from './support/stage.ts';

function configured(stage: Stage): string {
  const directory = join(stage.directory, 'mc');
  mkdirSync(join(directory, 'certs', 'CAs'), { recursive: true });
  const { accessKeyId: accessKey, secretAccessKey: secretKey } = stage.tenant;
  const aliases = { s: { url: stage.endpoint, accessKey, secretKey, api: 's3v4', path: 'on' } };
  writeFileSync(join(directory, 'config.json'), JSON.stringify({ version: '10', aliases }), { mode: 0o600 });
  return directory;
}

type Run = (args: readonly string[], stdin?: string) => Promise<string>;

const using =
  (work: (o: { mc: Run; stage: Stage; at: string }) => Promise<string | undefined>): Check =>
  ({ stage, tool }) => {
    const common = ['--config-dir', configured(stage), '--disable-pager', ...(stage.certificate ? ['--insecure'] : [])];
    const mc: Run = async (args, stdin = '') => {
      const { code, stdout, stderr } = await runClient(tool.command, [...common, ...args], {
        directory: stage.directory,
        stdin,
      });
      expect({ code, stderr: code === 0 ? '' : stderr + stdout }).toEqual({ code: 0, stderr: '' });
      return stdout;
    };
    return work({ mc, stage, at: `s/${stage.bucket}` });
  };

const lines = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const copies = using(async ({ mc, stage, at }) => {
  for (const bytes of [0, 1, 65_537, 33 * MiB + 7]) {
    const sent = stage.file({ name: 'sent', bytes });
    await mc(['cp', '--attr', 'owner=somebody', sent.path, `${at}/copied ü+%`]);
    const back = stage.path('back');
    await mc(['cp', `${at}/copied ü+%`, back]);
    expect((await digestsOfFile(back)).sha256).toBe(sent.sha256);
    const [stat] = lines(await mc(['stat', '--json', `${at}/copied ü+%`]));
    expect(stat).toMatchObject({ size: bytes, metadata: { 'X-Amz-Meta-Owner': 'somebody' } });
  }
  await mc(['cp', `${at}/copied ü+%`, `${at}/again`]);
  await mc(['mv', `${at}/again`, `${at}/moved`]);
  expect(lines(await mc(['ls', '--json', `${at}/moved`]))).toMatchObject([{ size: 33 * MiB + 7 }]);
  return '33 MiB in parts';
});

const mirrors = using(async ({ mc, stage, at }) => {
  const tree = stage.newDirectory('tree');
  const names = ['a', 'b c/d', 'ü/😀', 'x/empty', ...Array.from({ length: 12 }, (_, index) => `many/${index}`)];
  for (const [index, name] of names.entries()) {
    mkdirSync(join(tree, name, '..'), { recursive: true });
    stage.fileAt(join(tree, name), name === 'x/empty' ? 0 : 100 + index * 3000);
  }
  expect(
    lines(await mc(['mirror', '--json', tree, `${at}/tree`])).filter((line) => line['source'] !== undefined).length,
  ).toBe(names.length);
  expect(
    lines(await mc(['mirror', '--json', tree, `${at}/tree`])).filter((line) => line['source'] !== undefined),
  ).toEqual([]);
  expect(await mc(['diff', '--json', tree, `${at}/tree`])).toBe('');
  const back = stage.newDirectory('back');
  await mc(['mirror', `${at}/tree`, back]);
  for (const name of names)
    expect(await digestsOfFile(join(back, name))).toEqual(await digestsOfFile(join(tree, name)));
  expect(lines(await mc(['find', '--json', `${at}/tree`, '--name', '1*'])).length).toBe(3);
  await mc(['rm', '--recursive', '--force', `${at}/tree`]);
  expect(await mc(['ls', '--recursive', `${at}/tree/`])).toBe('');
  return `${names.length} files; the second run moved nothing`;
});

const others = using(async ({ mc, stage, at }) => {
  await mc(['pipe', `${at}/piped`], `${stage.marker} by standard input`);
  expect(await mc(['cat', `${at}/piped`])).toBe(`${stage.marker} by standard input`);
  expect(await mc(['head', '-n', '1', `${at}/piped`])).toContain(stage.marker);
  await mc(['tag', 'set', `${at}/piped`, 'a=1&b=two']);
  expect(lines(await mc(['tag', 'list', '--json', `${at}/piped`]))).toMatchObject([{ tagset: { a: '1', b: 'two' } }]);
  await mc(['mb', `${at}-second`]);
  await mc(['rb', `${at}-second`]);
  return undefined;
});

const shared = using(async ({ mc, stage, at }) => {
  if (stage.transport === 'https') throw new LeftOut('fetched over http only');
  await mc(['pipe', `${at}/shared`], stage.marker);
  const [found] = lines(await mc(['share', 'download', '--json', '--expire', '1h', `${at}/shared`]));
  expect(await (await fetch(String(found?.['share']))).text()).toBe(stage.marker);
  return undefined;
});

clientSuite({
  client: 'mc',
  tools: await goProgram('mc', /-(\d{8})\d+-/),
  stages: LIBRARY_STAGES,
  checks: {
    'cp both ways and between keys, stat, mv, ls': copies,
    'mirror twice, diff, mirror back, find, rm': mirrors,
    'pipe, cat, head, tags, mb and rb': others,
    'share download': shared,
  },
});
