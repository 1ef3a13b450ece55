/**
 * Makes test/vectors/keyring/seal-keys.json: run with Node from the repository's root. Reports have random salts, so that the
 * values differ each time; only a change of the format is a reason to make others.
 */
import { writeFile } from 'node:fs/promises';
import { signActiveRecord } from '../../proxy/keyring/active-seal-key/active-record.ts';
import { sealReport } from '../../proxy/keyring/active-seal-key/replica-record.ts';
import { canonicalJson } from '../../proxy/keyring/state/canonical-json.ts';
import { vectorSealKeys } from './keyring-vectors.ts';

type VectorKey = { readonly kid: string; readonly key: string };

/** What comes out, or the step that refuses. */
export type SealKeyVector = {
  readonly name: string;
  readonly sealKeys: readonly VectorKey[];
  readonly body: string;
} & (
  | {
      readonly kind: 'active';
      readonly result: string | { readonly kid: string; readonly generation: number; readonly proved: boolean };
    }
  | {
      readonly kind: 'replica';
      readonly boot: string;
      readonly result:
        | string
        | { readonly signs: string; readonly active: string; readonly held: readonly string[]; readonly host: string };
    }
);

const ONE = { kid: 'vector-1', key: '11'.repeat(32) } as const;
const TWO = { kid: 'vector-2', key: '22'.repeat(32) } as const;
const OTHER_TWO = { kid: 'vector-2', key: '33'.repeat(32) } as const;
const BOOT = '0123456789abcdef';

export function makeSealKeyVectors(): readonly SealKeyVector[] {
  const both = vectorSealKeys([TWO, ONE]);
  const [two, one] = both.all;
  if (two === undefined || one === undefined) throw new Error('There are two seal keys.');
  const updated = '2026-11-28T00:00:00Z';
  const first = signActiveRecord({ generation: 1, updated }, { sealKey: one, before: undefined });
  const second = signActiveRecord({ generation: 2, updated }, { sealKey: two, before: one });
  const active = (name: string, body: Buffer, sealKeys: readonly VectorKey[], result: unknown) =>
    ({ name, kind: 'active', sealKeys, body: body.toString('base64'), result }) as SealKeyVector;
  const changed = (from: string, to: string) => Buffer.from(second.toString().replace(from, to));
  const followed = { kid: 'vector-2', generation: 2, proved: true };
  const times = { started: updated, expires: '2026-11-28T00:15:00Z' };
  const report = sealReport(
    { boot: BOOT, host: 'gate-0', ...times, active: 'vector-1', generation: 1 },
    vectorSealKeys([ONE, TWO]),
  );
  const replica = (
    name: string,
    o: { body?: Buffer; boot?: string; sealKeys?: readonly VectorKey[] },
    result: unknown,
  ) =>
    ({
      name,
      kind: 'replica',
      boot: o.boot ?? BOOT,
      sealKeys: o.sealKeys ?? [ONE, TWO],
      body: (o.body ?? report).toString('base64'),
      result,
    }) as SealKeyVector;
  const said = { signs: 'vector-1', active: 'vector-1', host: 'gate-0' };
  const altered = {
    ...(JSON.parse(report.toString()) as Record<string, string>),
    salt: Buffer.alloc(32).toString('base64'),
  };
  return [
    active('the first record', first, [ONE], { kid: 'vector-1', generation: 1, proved: false }),
    active('a record that follows another', second, [TWO, ONE], followed),
    active('read with the active seal key alone', second, [TWO], { ...followed, proved: false }),
    active('read with the seal key before alone', second, [ONE], followed),
    active('read with neither', second, [], 'seal-key'),
    active('another generation', changed('"generation":2', '"generation":3'), [TWO, ONE], 'mac'),
    active('another secret of the active seal key', second, [OTHER_TWO, ONE], 'mac'),
    active('another secret of the seal key before', second, [TWO, { ...ONE, key: '44'.repeat(32) }], 'mac'),
    active(
      'no MAC of the seal key before',
      changed(/"beforeMac":"[^"]+"/.exec(second.toString())?.[0] ?? '', '"beforeMac":null'),
      [TWO],
      'form',
    ),
    active('not canonical', changed('{', '{ '), [TWO, ONE], 'form'),
    replica('a report', {}, { ...said, held: ['vector-1', 'vector-2'] }),
    replica(
      'a report, read with another secret of a seal key',
      { sealKeys: [ONE, OTHER_TWO] },
      { ...said, held: ['vector-1'] },
    ),
    replica(
      'a report, read with the seal key that sealed it alone',
      { sealKeys: [ONE] },
      { ...said, held: ['vector-1'] },
    ),
    replica('a report, read without that seal key', { sealKeys: [TWO] }, 'seal-key'),
    replica('a report under the name of another', { boot: 'fedcba9876543210' }, 'report'),
    replica('a report with another salt', { body: canonicalJson(altered) }, 'report'),
  ];
}

if (import.meta.main) {
  const file = new URL('../vectors/keyring/seal-keys.json', import.meta.url);
  await writeFile(file, `${JSON.stringify(makeSealKeyVectors(), null, 1)}\n`);
}
