/** The allowed differences as docs/conformance.md lists them. */
import type { Allowed } from './rule.ts';

/** Rows of a Markdown table: name, stores, reason. */
export function allowedTable(rules: readonly Allowed[]): string {
  const rows = rules.map(
    ({ name, stores, reason }) => `| \`${name}\` | ${stores?.join(', ') ?? 'all'} | ${reason.replaceAll('|', '\\|')} |`,
  );
  return ['| name | stores | reason |', '|---|---|---|', ...rows].join('\n');
}
