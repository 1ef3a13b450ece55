/**
 * Protects: alerts and dashboard ask for metrics that the program has, and each alert fires for what it is for, the first tampering
 * of all among it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { SECURITY_EVENT_KINDS } from '../../proxy/observe/events.ts';
import { createMetrics } from '../../proxy/observe/metrics.ts';
import { PROJECT } from '../e2e/support/program.ts';
import { needTool, output } from './support/tools.ts';

const RULES = 'deploy/chart/files/alerts.yaml';
const read = (path: string) => readFileSync(join(PROJECT, path), 'utf8');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}
const rules: readonly Rule[] = parse(read(RULES)).groups.flatMap((group: { rules: Rule[] }) => group.rules);

const NO_AUDIT = {
  ...{ events: 0, refused: 0, unwrittenMs: 0, segments: 0, failures: 0, unwrittenBytes: 0 },
  ...{ batches: 0, invalidBatches: 0, invalidSegments: 0, unbatchedMs: 0, size: 0 },
};

/** What the program shows before its first request, with an audit. */
async function freshMetrics(): Promise<string> {
  const metrics = createMetrics();
  metrics.showAudit(() => NO_AUDIT);
  metrics.showSealKey(() => ({ missing: undefined, refused: 0, unreadMs: 0 }));
  return metrics.render();
}

/** Every expression of the dashboard. */
function* expressions(node: unknown): Iterable<string> {
  if (typeof node !== 'object' || node === null) return;
  for (const [name, value] of Object.entries(node)) {
    if (name === 'expr' && typeof value === 'string') yield value;
    else yield* expressions(value);
  }
}

test('promtool takes the rules, and each alert fires when it should and else not', async (context) => {
  const promtool = needTool(context, 'promtool');
  expect(await output(promtool, ['check', 'rules', RULES])).toContain(`SUCCESS: ${rules.length} rules found`);
  expect(await output(promtool, ['test', 'rules', 'deploy/prometheus/alerts.test.yaml'])).toContain('SUCCESS');
});

test('every alert has a test, and says what to do', () => {
  const tested = read('deploy/prometheus/alerts.test.yaml');
  for (const { alert, annotations } of rules) {
    expect(tested).toContain(`alertname: ${alert}`);
    expect(Object.keys(annotations)).toEqual(['summary', 'description', 'action']);
  }
});

test('every kind of tampering is in an alert', () => {
  // A record of a key's last use that does not verify is ignored, and is expected where a seal key was dropped early.
  // The record of the active seal key has a counter of its own: the primary process of several workers counts no events.
  const apart = /^last-used-|^seal-key-record-/;
  const kinds = SECURITY_EVENT_KINDS.filter((kind) => /tampered|rollback/.test(kind) && !apart.test(kind));
  const asked = rules.map(({ expr }) => expr).join('\n');
  expect(asked).toContain('sealgate_seal_key_record_refused_total');
  for (const kind of kinds) expect(asked).toMatch(new RegExp(`["|]${kind}["|]`));
});

describe('what is asked for', () => {
  const dashboard = [...expressions(JSON.parse(read('deploy/grafana/sealgate.json')))];
  const asked = [...rules.map(({ expr }) => expr), ...dashboard];

  test('are metrics that the program has from the start', async () => {
    const exposition = await freshMetrics();
    const names = new Set(
      asked.flatMap((expr) => [...expr.matchAll(/\b(?:sealgate|nodejs|process)_\w+/g)].map(([name]) => name)),
    );
    expect(names.size).toBeGreaterThan(8);
    const missing = [...names].filter(
      (name) => !exposition.includes(`# TYPE ${name.replace(/_(bucket|sum|count)$/, '')} `),
    );
    expect(missing).toEqual([]);
  });

  test('are kinds of events that there are, each a series with 0 before the first event', async () => {
    const exposition = await freshMetrics();
    const kinds = asked.flatMap((expr) =>
      [...expr.matchAll(/sealgate_security_events_total\{[^}]*?kind=~?"([^"]+)"/g)].flatMap(([, list = '']) =>
        list.split('|'),
      ),
    );
    expect(kinds.length).toBeGreaterThan(5);
    for (const kind of kinds) {
      expect(SECURITY_EVENT_KINDS).toContain(kind);
      expect(exposition).toContain(`sealgate_security_events_total{kind="${kind}"} 0\n`);
    }
  });
});
