// Protects: what is published: the floor, which goals were met, and that the page keeps what is written by hand.

import { XMLValidator } from 'fast-xml-parser';
import { describe, expect, test } from 'vitest';
import { GiB, MiB } from '../../helpers/bytes.ts';
import type { Load } from '../loads/load.ts';
import { LOADS, QUICK } from '../loads/table.ts';
import { type Result, resultOf, type Sample } from '../measure/result.ts';
import { floorOf } from './floor.ts';
import { goalsOf } from './goals.ts';
import { goalsTable, machineLines, speedTable } from './markdown.ts';
import { plot } from './plot.ts';
import { makeReport, replaceMeasured } from './report.ts';
import { figure, ratio } from './text.ts';

const CRYPTO = { seal: 0.6, open: 0.5, md5: 1.5, sha256: 0.8 };

const load = (name: string): Load => {
  const found = LOADS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no load ${name}`);
  return found;
};

/** One round in which `operations` took `seconds`. */
function result(name: string, target: string, o: Partial<Sample> = {}): Result {
  const sample: Sample = {
    ...{ operations: 16, errors: [], bytes: GiB, seconds: 2, p50: 10, p99: 20, cpuSeconds: 3, others: 0 },
    ...{ clientCpuSeconds: 1, backendCpuSeconds: 1, peakMemory: 100 * MiB, memory: 90 * MiB, backendRequests: {} },
    ...o,
  };
  return resultOf(name, target, [sample]);
}

describe('the floor', () => {
  test('is moving the bytes and the cryptography that the load needs', () => {
    const name = 'put-64m-1-sha256';
    const results = [result(name, 'node-http', { cpuSeconds: 1 }), result(name, 'sealgate', { cpuSeconds: 7.8 })];
    const floor = floorOf(load(name), results, CRYPTO);
    expect(floor?.sum).toBeCloseTo(1 + 0.6 + 1.5 + 0.8);
    expect(floor?.ratio).toBeCloseTo(2);
    const get = [result('get-64m-1', 'node-http', { cpuSeconds: 1 }), result('get-64m-1', 'sealgate')];
    expect(floorOf(load('get-64m-1'), get, CRYPTO)?.sum).toBeCloseTo(1.5);
  });

  test('is unknown when a piece of it is', () => {
    const own = [result('get-64m-1', 'sealgate')];
    expect(floorOf(load('get-64m-1'), own, CRYPTO)).toBeUndefined();
    const both = [...own, result('get-64m-1', 'node-http')];
    expect(floorOf(load('get-64m-1'), both, undefined)).toBeUndefined();
    expect(floorOf(load('get-64m-1'), both, CRYPTO)).toBeDefined();
    expect(
      floorOf(load('get-4k'), [result('get-4k', 'sealgate'), result('get-4k', 'node-http')], CRYPTO),
    ).toBeUndefined();
  });
});

describe('goals', () => {
  const only = (name: string, results: readonly Result[], text: string) => {
    const found = goalsOf({ loads: [load(name)], results, floors: [] }).filter((goal) => goal.name.includes(text));
    expect(found).toHaveLength(1);
    return found[0];
  };

  test.each([
    ['get-64m-1', 0.6],
    ['put-64m-8', 0.35],
  ])('%s: at least %f of the speed of nginx', (name, share) => {
    const nginx = result(name, 'nginx', { seconds: 1 });
    const at = (of: number) => only(name, [nginx, result(name, 'sealgate', { seconds: 1 / of })], 'of nginx');
    expect(at(share + 0.001)).toMatchObject({ isMet: true });
    expect(at(share - 0.001)).toMatchObject({ isMet: false });
  });

  test('4 KiB: operations count, not bytes, and p99 within three medians and 20 ms', () => {
    const nginx = result('get-4k', 'nginx', { operations: 1000, seconds: 1 });
    const at = (o: Partial<Sample>) => [nginx, result('get-4k', 'sealgate', { operations: 400, seconds: 1, ...o })];
    expect(only('get-4k', at({ bytes: 1 }), 'of nginx')).toMatchObject({ isMet: true, value: 0.4 });
    expect(only('get-4k', at({ operations: 340 }), 'of nginx')).toMatchObject({ isMet: false });
    expect(only('get-4k', at({ p50: 5, p99: 35 }), 'p99')).toMatchObject({ isMet: true, bound: 35 });
    expect(only('get-4k', at({ p50: 5, p99: 35.1 }), 'p99')).toMatchObject({ isMet: false });
  });

  test('listings: times the direct one, and processor time for each key', () => {
    const at = (name: string, p50: number) =>
      only(name, [result(name, 'direct', { p50: 10 }), result(name, 'sealgate', { p50 })], 'of direct');
    expect(at('list-1000-warm', 13)).toMatchObject({ isMet: true, value: 1.3 });
    expect(at('list-1000-warm', 13.1)).toMatchObject({ isMet: false });
    expect(at('list-1000-cold-5ms', 60)).toMatchObject({ isMet: true });
    expect(at('list-1000-cold-5ms', 61)).toMatchObject({ isMet: false });
    const cpu = (cpuSeconds: number) =>
      only('list-1000-cold', [result('list-1000-cold', 'sealgate', { operations: 2, cpuSeconds })], 'CPU ms a key');
    expect(cpu(0.8)).toMatchObject({ isMet: true, value: 0.4 });
    expect(cpu(0.9)).toMatchObject({ isMet: false });
  });

  test('memory: the load that is nearest to its own bound, by the bodies under way', () => {
    const loads = ['put-64m-1', 'put-64m-8', 'multipart-1g'].map(load);
    const memory = (one: number, eight: number, parts: number) => {
      const peaks = [one, eight, parts].map((peak) => peak * MiB);
      const results = loads.map(({ name }, i) => result(name, 'sealgate', { peakMemory: peaks[i] }));
      return goalsOf({ loads, results, floors: [] }).find(({ name }) => name.startsWith('peak memory'));
    };
    expect(memory(201, 216, 208)).toMatchObject({ isMet: true });
    expect(memory(203, 216, 208)).toMatchObject({ isMet: false, bound: 202, value: 203 });
    expect(memory(100, 217, 208)).toMatchObject({ isMet: false, bound: 216 });
    expect(memory(100, 100, 209)).toMatchObject({ isMet: false, bound: 208 });
  });
});

describe('the page', () => {
  const run = () => {
    const names = ['put-64m-1', 'get-4k', 'list-1000-cold'];
    const targets = ['direct', 'nginx', 'node-http', 'sealgate'];
    const results = names.flatMap((name) => targets.map((target) => result(name, target)));
    const machine = {
      ...{ processor: 'a <fast> one', cores: 2, memory: 8, kernel: 'Linux', node: 'v24', openssl: '3', nginx: '1' },
      ...{ commit: 'abc', date: '2026-01-01', command: 'npm run bench' },
    };
    return makeReport({ machine, loads: names.map(load), run: { results, crypto: CRYPTO }, notes: [] });
  };

  test('tables have a row for each load and goal, each as wide as its head', () => {
    const report = run();
    expect(report.floors).toHaveLength(1);
    for (const [text, rows] of [
      [speedTable(report), report.loads.length],
      [goalsTable(report.goals), report.goals.length],
    ] as const) {
      const lines = text.split('\n');
      expect(lines).toHaveLength(rows + 2);
      expect(new Set(lines.map((line) => line.split('|').length)).size).toBe(1);
    }
    expect(goalsTable(report.goals)).toMatch(/\| (PASS|MISS) \|/);
  });

  test('says when the machine was busy with other work', () => {
    const { machine } = run();
    expect(machineLines(machine, 0.05)).not.toContain('busy');
    expect(machineLines(machine, 0.3)).toMatch(/other processes took 30 % .*busy/);
  });

  test('keeps what stands around the measured part, and can be written again', () => {
    const page =
      'before\n<!-- measured: written by npm run bench -- --write docs -->\nold\n<!-- end of measured -->\nafter\n';
    const once = replaceMeasured(page, 'new');
    expect(once).toMatch(/^before\n<!-- measured.*-->\n\nnew\n<!-- end of measured -->\nafter\n$/);
    expect(replaceMeasured(once, 'new')).toBe(once);
    expect(() => replaceMeasured('no marks', 'new')).toThrow();
  });

  test('the plot is XML with a bar for each load and target', () => {
    const { loads, results } = run();
    const svg = plot(loads, results);
    expect(XMLValidator.validate(svg)).toBe(true);
    expect(svg.match(/height="11"/g)).toHaveLength(12);
    expect(svg).not.toMatch(/NaN|Infinity/);
  });
});

test('times are turned over: more is better in every ratio', () => {
  const slow = result('list-1000-warm', 'sealgate', { p50: 20 });
  const fast = result('list-1000-warm', 'direct', { p50: 5 });
  expect(ratio(load('list-1000-warm'), slow, fast)).toBe(0.25);
  expect(ratio(load('get-64m-1'), result('get-64m-1', 'a', { seconds: 4 }), result('get-64m-1', 'b'))).toBe(0.5);
});

test.each([
  [0, '0'],
  [0.012345, '0.0123'],
  [1.005, '1.00'],
  [12.34, '12.3'],
  [1234.5, '1235'],
  [Number.NaN, '-'],
  [undefined, '-'],
])('%d is shown as %s', (value, text) => {
  expect(figure(value)).toBe(text);
});

test('loads have names of their own, and a quick run names ones that exist', () => {
  expect(new Set(LOADS.map(({ name }) => name)).size).toBe(LOADS.length);
  expect(LOADS.length).toBeGreaterThan(18);
  expect(QUICK.filter((name) => !LOADS.some((one) => one.name === name))).toEqual([]);
});
