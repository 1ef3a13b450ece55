// Protects docs/conformance.md against drifting from the rules: every allowed difference is listed there, line by line, with its
// stores and its reason, and nothing else is.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { OPAQUE } from './allowed/opaque.ts';
import { allowedTable } from './allowed/table.ts';
import { ALLOWED } from './allowed.ts';
import { LAX } from './random/lax.ts';

const page = readFileSync(new URL('../../docs/conformance.md', import.meta.url), 'utf8');

/** The lines of the first table below a heading. */
function tableBelow(heading: string): readonly string[] {
  const lines = page.split('\n');
  const below = lines.slice(lines.indexOf(heading) + 1);
  const first = below.findIndex((line) => line.startsWith('|'));
  const rest = below.slice(first);
  const end = rest.findIndex((line) => !line.startsWith('|'));
  return rest.slice(0, end < 0 ? undefined : end);
}

test.each([
  ['## What may differ', ALLOWED],
  ['### In opaque mode', OPAQUE],
  ['### Beside random requests', LAX],
])('%s is what `npm run test:twin -- --list` prints', (heading, rules) => {
  expect(rules.length).toBeGreaterThan(1);
  expect(page.split('\n')).toContain(heading);
  expect(tableBelow(heading)).toEqual(allowedTable(rules).split('\n'));
});
