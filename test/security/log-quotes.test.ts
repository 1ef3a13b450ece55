/** The log says where something failed, and never repeats the document that a parser choked on: records and keyrings are read so. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { createLogger } from '../../proxy/observe/log.ts';

function logged(error: unknown): string {
  const lines: string[] = [];
  const log = createLogger({ level: 'info', destination: { write: (line) => void lines.push(line) } });
  log.error({ err: error }, 'failed');
  return lines.join('');
}

function thrownBy(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

test.each([
  ['JSON', () => JSON.parse('{"wrapped": SECRETBYTES}')],
  ['a schema', () => z.literal('a').parse('SECRETBYTES')],
  ['a schema with members', () => z.strictObject({}).parse({ SECRETBYTES: 1 })],
])('an error of %s is logged by type and place, alone or as a cause', (_what, work) => {
  const error = thrownBy(work);
  for (const text of [logged(error), logged(new Error('outer', { cause: error }))]) {
    expect(text).toContain(`"type":"${error.name}"`);
    expect(text).toContain('log-quotes.test.ts');
    expect(text).not.toContain('SECRET');
  }
});

test('other errors keep their message', () => {
  expect(logged(new TypeError('x is not a function'))).toContain('x is not a function');
});
