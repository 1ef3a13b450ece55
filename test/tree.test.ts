/**
 * Keeps the tree as its design says: imports go one way, the formats and the signatures depend on nothing, each operation has
 * its file, its row and its tests, every file says why it exists, and nothing that belongs to one machine is kept. (That the
 * documents agree with the code is test/docs.test.ts.)
 */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { FORMAT_VERSION } from '../crypto/layout.ts';
import type { Operation } from '../proxy/operation.ts';
import { OPERATIONS } from '../proxy/operations/table.ts';
import { createRouter, selectorId } from '../proxy/route.ts';
import { importCircles } from './helpers/import-circles.ts';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');

interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

function filesIn(directory: string, pattern: RegExp): SourceFile[] {
  return readdirSync(join(ROOT, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.includes('node_modules'))
    .map((path) => ({ path: relative(ROOT, path), text: readFileSync(path, 'utf8') }));
}

const sources = (directory: string) => filesIn(directory, /\.ts$/);

interface Import {
  readonly from: string;
  readonly to: string;
}

/** Relative targets from the root; others as they are. */
function importsOf(file: SourceFile): Import[] {
  const found = [
    ...file.text.matchAll(/^(?:import|export)\s[^;]*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm),
  ];
  return found.map(([, a, b, c]) => {
    const to = a ?? b ?? c ?? '';
    return { from: file.path, to: to.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file.path), to)) : to };
  });
}

describe('imports', () => {
  const ALLOWED: Readonly<Record<string, RegExp>> = {
    crypto: /^(crypto\/|node:(crypto|buffer)$)/,
    sigv4: /^(sigv4\/|node:(crypto|buffer)$)/,
    proxy: /^(proxy\/|sigv4\/|crypto\/|node:)/,
  };

  test.each(Object.keys(ALLOWED))('of %s/ go one way', (directory) => {
    const imports = sources(directory).flatMap(importsOf);
    expect(imports.length).toBeGreaterThan(20);
    const allowed = ALLOWED[directory];
    const packages = directory === 'proxy' ? dependencies() : [];
    const wrong = imports.filter(
      ({ to }) => !allowed?.test(to) && !packages.some((name) => to === name || to.startsWith(`${name}/`)),
    );
    expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  });

  test("of Node's own modules use the node: protocol, and relative ones name the file", () => {
    const imports = ['proxy', 'sigv4', 'crypto', 'test'].flatMap(sources).flatMap(importsOf);
    expect(imports.filter(({ to }) => !to.startsWith('node:') && builtinModules.includes(to))).toEqual([]);
    const relatives = imports.filter(({ to }) => /^(proxy|sigv4|crypto|test)\//.test(to));
    expect(relatives.length).toBeGreaterThan(200);
    expect(relatives.filter(({ to }) => !/\.(ts|json)$/.test(to))).toEqual([]);
  });

  test('form no circle, those of types included', () => {
    const files = ['proxy', 'sigv4', 'crypto'].flatMap(sources);
    const edges = new Map(files.map((file) => [file.path, importsOf(file).map(({ to }) => to)]));
    expect(edges.size).toBeGreaterThan(300);
    expect(importCircles(edges)).toEqual([]);
  });

  test('form a circle where one is made: the check finds it', () => {
    const edges = (o: Record<string, string[]>) => new Map(Object.entries(o));
    expect(importCircles(edges({ a: ['b', 'c'], b: ['c'], c: ['node:fs'] }))).toEqual([]);
    expect(importCircles(edges({ a: ['b'], b: ['c', 'd'], c: ['b'], d: ['e'], e: ['f'], f: ['d'], g: ['g'] }))).toEqual(
      [['b', 'c'], ['d', 'e', 'f'], ['g']],
    );
  });

  test('below the operations know no request: of commands and jobs there is none', () => {
    const below = [
      'object',
      'multipart',
      'rotation',
      'backend',
      'offline',
      'cli',
      'keyring',
      'concurrency',
      'jobs',
      'verify',
      'migrate',
    ];
    const imports = below.flatMap((directory) => sources(`proxy/${directory}`)).flatMap(importsOf);
    expect(imports.length).toBeGreaterThan(300);
    const wrong = imports.filter(({ to }) =>
      /^proxy\/(operation\.ts|operations\/|pipeline|http\/request\.ts)/.test(to),
    );
    expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  });

  test('of the program name no test', () => {
    const imports = ['proxy', 'sigv4', 'crypto'].flatMap(sources).flatMap(importsOf);
    expect(imports.filter(({ to }) => to.startsWith('test/'))).toEqual([]);
  });
});

function dependencies(): string[] {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
    peerDependencies: Record<string, string>;
  };
  return [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)];
}

describe('operations', () => {
  const isOperation = (value: unknown): value is Operation =>
    typeof value === 'object' && value !== null && 'selector' in value && 'body' in value && 'run' in value;

  test('every one that a file exports is in the table, and the table has no other', async () => {
    // The parsers of requests are below, in request/; two files hold what all operations share.
    const files = sources('proxy/operations').filter(
      ({ path }) => dirname(path) === 'proxy/operations' && !/\/(table|pass-through)\.ts$/.test(path),
    );
    expect(files.length).toBeGreaterThan(12);
    const exported: Operation[] = [];
    for (const { path } of files) {
      const module = (await import(join(ROOT, path))) as Record<string, unknown>;
      const found = Object.values(module).flat().filter(isOperation);
      expect([path, found.length > 0]).toEqual([path, true]);
      exported.push(...found);
    }
    const names = (operations: readonly Operation[]) => operations.map(({ name }) => name).sort();
    expect(names(OPERATIONS)).toEqual(names(exported));
    expect(new Set(names(OPERATIONS)).size).toBe(OPERATIONS.length);
  });

  test('every one is named by a test', () => {
    const tests = sources('test').filter(({ path }) => path.endsWith('.test.ts') || path.includes('/suites/'));
    const text = tests.map((file) => file.text).join('\n');
    // Configurations that are handed on share one table, of which test/proxy/operations/ runs every row.
    const missing = OPERATIONS.filter(({ name }) => !new RegExp(`\\b${name}\\b`).test(text) && !isConfiguration(name));
    expect(missing.map(({ name }) => name)).toEqual([]);
  });

  test('no request selects two of them, and a table where one does is refused', () => {
    expect(new Set(OPERATIONS.map(({ selector }) => selectorId(selector))).size).toBe(OPERATIONS.length);
    expect(() => createRouter(OPERATIONS)).not.toThrow();
    const [first] = OPERATIONS;
    if (first === undefined) throw new Error('there are no operations');
    expect(() => createRouter([...OPERATIONS, { ...first, name: 'Twin' }])).toThrow(/Twin/);
  });
});

const isConfiguration = (name: string): boolean =>
  /^(Get|Put|Delete)(Bucket|Object|Public)/.test(name) &&
  name !== 'GetObject' &&
  name !== 'PutObject' &&
  name !== 'DeleteObject' &&
  name !== 'DeleteObjects';

describe('files', () => {
  const code = () => ['proxy', 'sigv4', 'crypto'].flatMap(sources);

  test('of the program begin with why they exist, and stay short', () => {
    expect(code().length).toBeGreaterThan(80);
    const silent = code().filter(({ text }) => !/^\/\*\*?[\s\S]{20,}?\*\//.test(text));
    expect(silent.map(({ path }) => path)).toEqual([]);
    const long = code().filter(({ text }) => text.split('\n').length > 320);
    expect(long.map(({ path }) => path)).toEqual([]);
  });

  test('of tests begin with what they protect', () => {
    const tests = sources('test').filter(({ path }) => path.endsWith('.test.ts'));
    expect(tests.length).toBeGreaterThan(30);
    const silent = tests.filter(({ text }) => !/^(\/\*\*?[\s\S]{20,}?\*\/|\/\/ .{20,})/.test(text));
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  test('leave no test out', () => {
    const pattern = /\b(test|it|describe)(\.each\([^)]*\))?\.(only|skip|todo|fails)\b/;
    const found = sources('test').filter(({ text }) => pattern.test(text));
    expect(found.map(({ path }) => path)).toEqual([]);
  });

  test('hold nothing of one machine', () => {
    const everywhere = [
      ...['proxy', 'sigv4', 'crypto', 'test', 'docs', 'bin'].flatMap((directory) =>
        filesIn(directory, /\.(ts|js|md|json|py|yml|yaml|sh)$/),
      ),
      ...readdirSync(ROOT)
        .filter((name) => /\.(md|json|ts|yml)$/.test(name))
        .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') })),
    ];
    expect(everywhere.length).toBeGreaterThan(150);
    const paths = new RegExp(
      ['(?<![\\w.])/(wo' + 'rk|ro' + 'ot|ho' + 'me|Us' + 'ers)/', 'C:\\\\Us' + 'ers', '\\.\\./sha' + 'red/'].join('|'),
    );
    const found = everywhere.filter(({ text }) => paths.test(text));
    expect(found.map(({ path, text }) => `${path}: ${paths.exec(text)?.[0]}`)).toEqual([]);
  });

  test('lock the dependencies without naming where they were fetched from', () => {
    const lock = readFileSync(join(ROOT, 'package-lock.json'), 'utf8');
    expect(lock).toContain('"integrity"');
    expect(lock).not.toContain('"resolved": "http');
  });

  test('agree on the version of the format', () => {
    const [title] = readFileSync(join(ROOT, 'crypto/FORMAT.md'), 'utf8').split('\n');
    expect(title).toMatch(new RegExp(`version ${FORMAT_VERSION}$`));
  });
});
