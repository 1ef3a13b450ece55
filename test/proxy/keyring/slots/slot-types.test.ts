/**
 * Protects: a type of slot is the same in the program, in FORMAT.md and in the independent reader: its members, the MAC over
 * each of them, how many there may be, whether an access key id can name it, who can remove it. And each type has vectors.
 */
import { readdir, readFile } from 'node:fs/promises';
import { beforeAll, expect, test } from 'vitest';
import { SLOT_TYPES, type Slot, typeOf } from '../../../../proxy/keyring/slots/slot-types.ts';
import type { Keyring } from '../../../../proxy/keyring/state/document.ts';
import { fakeKmsSlots } from '../../../helpers/fake-kms.ts';
import { fakeEscrow, fakeRole, makeTenant, newSealKeys } from '../../../helpers/keyring-fixture.ts';

type Name = keyof typeof SLOT_TYPES;
const NAMES = Object.keys(SLOT_TYPES) as readonly Name[];
const read = (path: string) => readFile(new URL(`../../../../${path}`, import.meta.url), 'utf8');

let format: string;
let decoder: string;
let samples: Readonly<Record<Name, Slot>>;

beforeAll(async () => {
  [format, decoder] = [await read('crypto/FORMAT.md'), await read('test/vectors/decode.py')];
  const escrow = fakeEscrow({ epochs: [1] });
  const { keySlots, tenant, roots } = await makeTenant({ sealKeys: newSealKeys('one'), escrow });
  const [key] = keySlots;
  if (key === undefined) throw new Error('The fixture has a key.');
  const kms = await fakeKmsSlots({ tenant, roots });
  samples = { 'api-key': key, 'api-key+kms': kms.key, escrow, kms: kms.alone, role: await fakeRole({ tenant, roots }) };
});

/** Names under the root MAC, and the other members but `wraps`. */
function partsOf(slot: Slot) {
  const record = Object.keys(typeOf(slot).record(slot));
  const terms = Object.keys(slot).filter((name) => name !== 'wraps' && !record.includes(name));
  return { record: record.sort(), terms: terms.sort() };
}

const sectionOf = (title: string) =>
  new RegExp(`\\n### ${title.replace('+', '\\+')}\\n(.*?)\\n### `, 's').exec(format)?.[1] ?? '';

test('the table of FORMAT.md has each type and no other', () => {
  const rows = [
    ...sectionOf('Slots').matchAll(/^\| `([a-z+-]+)` +\| [^|]+ \| (\d+) +\| (yes|no) +\| (yes|no) +\| (yes|none) /gm),
  ];
  const documented = rows.map(([, name, most, signs, removes, terms]) => [name, most, signs, removes, terms]);
  const word = (is: boolean, no = 'no') => (is ? 'yes' : no);
  const built = NAMES.map((name) => {
    const { most, signs, operatorRemoves } = SLOT_TYPES[name];
    const hasTerms = partsOf(samples[name]).terms.length > 0;
    return [name, String(most), word(signs), word(operatorRemoves), word(hasTerms, 'none')];
  });
  expect(documented).toEqual(built);
});

test.each(NAMES)('the section of FORMAT.md on %s has its members, each with its MAC', (name) => {
  const section = sectionOf(`Slots of type ${name}`);
  const rows = [...section.matchAll(/^\| `(\w+)` +\| .* \| (record|terms|-) +\|$/gm)];
  const of = (part: string) => rows.flatMap(([, member, under]) => (under === part ? [member] : [])).sort();
  expect({ record: of('record'), terms: of('terms') }).toEqual(partsOf(samples[name]));
  expect(of('-')).toEqual(['wraps']);
  expect(Object.keys(samples[name]).sort()).toEqual(Object.keys(SLOT_TYPES[name].schema.shape).sort());
});

test.each(NAMES)('the independent reader knows %s by the same members', (name) => {
  const row = new RegExp(`\\n    "${name.replace('+', '\\+')}": \\{(.*?)\\n    \\}`, 's').exec(decoder)?.[1] ?? '';
  const value = (key: string) => new RegExp(`"${key}": (?:"([^"]*)"|(\\w+)),`).exec(row);
  const names = (key: string) =>
    (value(key)?.[1] ?? '')
      .split(' ')
      .filter((one) => one !== '')
      .sort();
  expect({ record: names('record'), terms: names('terms') }).toEqual(partsOf(samples[name]));
  expect(names('wrap')).toEqual(Object.keys(samples[name].wraps[0] ?? {}).sort());
  const { most, signs, operatorRemoves } = SLOT_TYPES[name];
  const python = (is: boolean) => (is ? 'True' : 'False');
  const found = ['most', 'signs', 'operator removes'].map((key) => value(key)?.[2]);
  expect(found).toEqual([String(most), python(signs), python(operatorRemoves)]);
});

test.each(NAMES)('there are vectors of %s that open', async (name) => {
  const names = await readdir(new URL('../../../vectors/keyring/', import.meta.url));
  const files = names.filter((file) => file !== 'refused.json').map((file) => read(`test/vectors/keyring/${file}`));
  const vectors = (await Promise.all(files)).flatMap(
    (text) => JSON.parse(text) as { keyring?: string; result?: unknown }[],
  );
  expect(vectors.length).toBeGreaterThan(10);
  // Records of other kinds have vectors here, too.
  const types = vectors.flatMap(({ keyring, result }) =>
    keyring === undefined || typeof result === 'string'
      ? []
      : (JSON.parse(keyring) as Keyring).slots.map(({ type }) => type),
  );
  expect(types).toContain(name);
});
