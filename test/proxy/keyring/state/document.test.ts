// Protects: a keyring has one form; anything else is refused before a MAC is computed or a key derived.
import { beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_KDFS } from '../../../../proxy/keyring/slots/kdf.ts';
import { canonicalJson, type JsonValue } from '../../../../proxy/keyring/state/canonical-json.ts';
import { KeyringMalformed, parseKeyring, serializeKeyring } from '../../../../proxy/keyring/state/document.ts';
import { changeAt, type Json, type JsonPath, leafPaths, objectPaths, valueAt } from '../../../helpers/json-paths.ts';
import { CREATED, fakeEscrow, makeTenant, newSealKeys, type TenantFixture } from '../../../helpers/keyring-fixture.ts';

const REGISTERED = { accessKeyId: 'registered' as const, registeredIds: ['SGRKAAAAAAAAAAAAAAAA'] };
let fixture: TenantFixture;
let document: Json;

beforeAll(async () => {
  fixture = await makeTenant({
    sealKeys: newSealKeys('one'),
    slots: [
      { ...REGISTERED, label: 'a', expires: '2030-01-01T00:00:00Z' },
      { ...REGISTERED, kdfUpgrade: DEFAULT_KDFS.argon2id },
    ],
    // The last of the slots.
    escrow: fakeEscrow({ epochs: [2, 3], id: 'ffffffff' }),
    epochs: [
      { created: CREATED, epoch: 1, state: 'retired' },
      { created: CREATED, epoch: 2, state: 'draining' },
      { created: CREATED, epoch: 3, state: 'current' },
    ],
    removed: [
      { digest: '00'.repeat(32), id: '00000001', removed: CREATED, type: 'api-key' },
      { digest: '11'.repeat(32), id: '00000002', removed: CREATED, type: 'api-key' },
    ],
  });
  document = JSON.parse(fixture.body.toString('utf8'));
});

const parses = (value: Json) => {
  try {
    parseKeyring(canonicalJson(value as JsonValue));
    return true;
  } catch (error) {
    if (error instanceof KeyringMalformed) return false;
    throw error;
  }
};

it('reads back what it writes', () => {
  expect(parseKeyring(fixture.body)).toEqual(fixture.keyring);
  expect(serializeKeyring(fixture.keyring)).toEqual(fixture.body);
});

it('requires every member and refuses unknown ones, in every object', () => {
  let members = 0;
  for (const path of objectPaths(document)) {
    expect(parses(changeAt(document, path, (old) => ({ ...(old as object), extra: 1 })))).toBe(false);
    expect(parses(changeAt(document, path, (old) => ({ ...(old as object), __proto__x: null })))).toBe(false);
    for (const name of Object.keys(valueAt(document, path) as object)) {
      expect(parses(changeAt(document, [...path, name], () => undefined))).toBe(false);
      members += 1;
    }
  }
  expect(members).toBeGreaterThan(60);
});

it('refuses every leaf of another type', () => {
  const paths = leafPaths(document);
  let refused = 0;
  for (const path of paths) {
    const old = valueAt(document, path);
    const isExpiry = path.at(-1) === 'expires';
    for (const other of [-1, 2 ** 33, {}, [[]], 'not\u00a0this', ...(isExpiry ? [] : [null])]) {
      const isLabel = path.at(-1) === 'label' || path.at(-1) === 'prefix';
      const isGeneration = path.at(-1) === 'generation';
      if ((isLabel && typeof other === 'string') || (isGeneration && other === 2 ** 33) || other === old) continue;
      if (other === -1) expect(() => canonicalJson({ v: other })).toThrow();
      else
        expect([path.join('.'), other, parses(changeAt(document, path, () => other))]).toEqual([
          path.join('.'),
          other,
          false,
        ]);
      refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(5 * paths.length);
});

const BYTES: readonly (readonly [name: string, change: (text: string) => string | Buffer])[] = [
  ['white space at the start', (text) => ` ${text}`],
  ['a line end at the end', (text) => `${text}\n`],
  ['white space inside', (text) => text.replace(',', ', ')],
  ['a byte order mark', (text) => `\ufeff${text}`],
  ['a member twice', (text) => text.replace('{', '{"created":"2026-01-02T03:04:05Z",')],
  ['members out of order', (text) => text.replace(/("format":"[^"]*"),("generation":1),/, '$2,$1,')],
  ['an escaped letter', (text) => text.replace('"format"', '"\\u0066ormat"')],
  ['an exponent', (text) => text.replace('"generation":1', '"generation":1e0')],
  ['a fraction', (text) => text.replace('"generation":1', '"generation":1.0')],
  ['__proto__', (text) => text.replace('{', '{"__proto__":{},')],
  [
    'bytes that are not UTF-8',
    (text) => Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from([0xff]), Buffer.from('}')]),
  ],
  ['nothing', () => ''],
  ['cut short', (text) => text.slice(0, -1)],
  ['something after the end', (text) => `${text}{}`],
  ['another document', () => 'null'],
  ['an array', (text) => `[${text}]`],
  ['nesting without end', () => '['.repeat(200_000)],
  ['more than the bound', (text) => text + ' '.repeat(262_144)],
];

describe('bytes', () => {
  it.each(BYTES)('refuses %s', (_name, change) => {
    const text = fixture.body.toString('utf8');
    const changed = Buffer.from(change(text));
    expect(changed.equals(fixture.body)).toBe(false);
    expect(() => parseKeyring(changed)).toThrow(KeyringMalformed);
  });
});

const VALUES: readonly (readonly [name: string, path: JsonPath, value: Json])[] = [
  ['another format', ['format'], 'sealgate-keyring/2'],
  ['generation 0', ['generation'], 0],
  ['a tenant in capitals', ['tenant'], 'A'.repeat(24)],
  ['a short tenant', ['tenant'], 'a'.repeat(22)],
  ['a MAC cut to 16 bytes', ['operatorMac'], Buffer.alloc(16).toString('base64')],
  ['a root MAC cut to 4 bytes', ['rootMac'], Buffer.alloc(4).toString('base64')],
  ['an empty MAC', ['rootMac'], ''],
  ['a MAC without padding', ['operatorMac'], 'A'.repeat(43)],
  ['a MAC whose unused bits are set', ['operatorMac'], `${'A'.repeat(42)}B=`],
  ['a MAC in base64url', ['operatorMac'], `${'_'.repeat(42)}8=`],
  ['a salt of 16 bytes', ['slots', 0, 'salt'], Buffer.alloc(16).toString('base64')],
  ['a commitment of 33 bytes', ['slots', 0, 'commitment'], Buffer.alloc(33).toString('base64')],
  ['a wrap of 44 bytes', ['slots', 0, 'wraps', 0, 'wrapped'], Buffer.alloc(44).toString('base64')],
  ['a wrap salt of 31 bytes', ['slots', 0, 'wraps', 0, 'salt'], Buffer.alloc(31).toString('base64')],
  ['no wraps', ['slots', 0, 'wraps'], []],
  ['a slot of a type that is not known', ['slots', 0, 'type'], 'kms'],
  ['a slot whose type is a member of every object', ['slots', 0, 'type'], 'constructor'],
  ['an API key called an escrow', ['slots', 0, 'type'], 'escrow'],
  ['an escrow called an API key', ['slots', 2, 'type'], 'api-key'],
  ['a removed slot of no type', ['removed', 0, 'type'], ''],
  ['a removed slot of a type that is not known', ['removed', 0, 'type'], 'of-tomorrow'],
  ['a removed escrow, which only the root key can remove', ['removed', 0, 'type'], 'escrow'],
  ['another KDF', ['slots', 0, 'kdf'], { name: 'none' }],
  ['a weak KDF', ['slots', 0, 'kdf'], { name: 'pbkdf2-sha256', iterations: 1 }],
  ['a ruinous KDF', ['slots', 0, 'kdf'], { name: 'argon2id', memory: 4_194_304, passes: 2, parallelism: 1 }],
  ['an empty slot', ['slots', 2], {}],
  ['an escrow of another suite', ['slots', 2, 'suite'], 2],
  ['an escrow key of 31 bytes', ['slots', 2, 'publicKey'], Buffer.alloc(31).toString('base64')],
  ['an escrow without a wrap', ['slots', 2, 'wraps'], []],
  ['an escrow wrap of another epoch', ['slots', 2, 'wraps', 0, 'epoch'], 1],
  ['an escrow wrap of 47 bytes', ['slots', 2, 'wraps', 0, 'wrapped'], Buffer.alloc(47).toString('base64')],
  ['an encapsulation of 33 bytes', ['slots', 2, 'wraps', 0, 'enc'], Buffer.alloc(33).toString('base64')],
  ['another status', ['slots', 0, 'status'], 'revoked'],
  ['another kind of access key id', ['slots', 0, 'accessKeyId'], 'session'],
  ['a registered id of another form', ['slots', 1, 'registeredIds', 0], 'AKIAIOSFODNN7EXAMPLE'],
  ['a registered slot without an id', ['slots', 1, 'registeredIds'], []],
  ['registered ids out of order', ['slots', 1, 'registeredIds'], ['SGRKBAAAAAAAAAAAAAAA', 'SGRKAAAAAAAAAAAAAAAA']],
  ['a sealed slot with a registered id', ['slots', 1, 'accessKeyId'], 'sealed'],
  ['a seal key id in capitals', ['slots', 0, 'idKid'], 'ONE'],
  ['a weak KDF to come', ['slots', 0, 'kdfUpgrade'], { name: 'pbkdf2-sha256', iterations: 1 }],
  ['a KDF to come that waits until no time', ['slots', 0, 'kdfUpgrade'], { ...DEFAULT_KDFS.argon2id, after: 'soon' }],
  ['a KDF of now that waits', ['slots', 0, 'kdf'], { ...DEFAULT_KDFS.argon2id, after: '2026-01-03T15:19:05Z' }],
  ['a day that does not exist', ['created'], '2026-02-30T00:00:00Z'],
  ['a leap second', ['created'], '2026-06-30T23:59:60Z'],
  ['milliseconds', ['created'], '2026-06-30T23:59:59.000Z'],
  ['another time zone', ['created'], '2026-06-30T23:59:59+00:00'],
  ['an impossible bucket in a grant', ['slots', 0, 'grants', 0, 'bucket'], 'A_B'],
  ['another access', ['slots', 0, 'grants', 0, 'access'], 'admin'],
  ['a label of 65 characters', ['slots', 0, 'label'], 'x'.repeat(65)],
  ['no epochs', ['epochs'], []],
  ['no current epoch', ['epochs', 2, 'state'], 'draining'],
  ['two current epochs', ['epochs', 1, 'state'], 'current'],
  ['an epoch twice', ['epochs', 1, 'epoch'], 3],
  ['epochs out of order', ['epochs', 0, 'epoch'], 9],
  ['a retired epoch in use again', ['epochs', 0, 'state'], 'draining'],
  ['a used epoch retired with its wraps kept', ['epochs', 1, 'state'], 'retired'],
  ['a wrap of an unknown epoch', ['slots', 0, 'wraps', 1, 'epoch'], 4],
  ['removed slots out of order', ['removed', 0, 'id'], 'ffffffff'],
  ['a removed slot twice', ['removed', 1, 'id'], '00000001'],
];

describe('values', () => {
  it.each(VALUES)('refuses %s', (_name, path, value) => {
    expect(parses(document)).toBe(true);
    expect(parses(changeAt(document, path, () => value))).toBe(false);
  });

  it('refuses slots out of order, a slot twice, and a removed slot that is back', () => {
    const [first, second] = fixture.keyring.slots;
    expect(parses({ ...(document as object), slots: [second, first] as never })).toBe(false);
    expect(parses({ ...(document as object), slots: [first, first] as never })).toBe(false);
    const removed = [{ digest: '00'.repeat(32), id: first?.id ?? '', removed: CREATED, type: 'api-key' }];
    expect(parses({ ...(document as object), removed })).toBe(false);
  });

  it('refuses more slots of one type than there may be', async () => {
    const escrowed = (more: number, keys = 2) => {
      const [first] = fixture.keySlots;
      if (first === undefined) throw new Error('The fixture has keys.');
      const ids = Array.from({ length: keys }, (_, at) => (0x1000 + at).toString(16).padStart(8, '0'));
      const escrows = ['fffffffd', 'fffffffe', 'ffffffff'].slice(0, more);
      const slots = [
        ...ids.map((id) => ({ ...first, id })),
        ...escrows.map((id) => fakeEscrow({ epochs: [2, 3], id })),
      ];
      return parses({ ...(document as object), slots } as never);
    };
    expect([escrowed(0), escrowed(1), escrowed(2), escrowed(3)]).toEqual([true, true, false, false]);
    expect([escrowed(1, 64), escrowed(0, 65), escrowed(1, 65)]).toEqual([true, false, false]);
  });

  it('exchanges no members between slots of two types', () => {
    const [key, , escrow] = (document as { slots: Json[] }).slots;
    let refused = 0;
    for (const [index, from] of [
      [0, escrow],
      [2, key],
    ] as const) {
      for (const name of Object.keys(from as object)) {
        if (['created', 'id'].includes(name)) continue;
        expect([
          name,
          parses(
            changeAt(document, ['slots', index], (old) => ({
              ...(old as object),
              [name]: valueAt(from as Json, [name]),
            })),
          ),
        ]).toEqual([name, false]);
        refused += 1;
      }
    }
    expect(refused).toBe(19);
  });

  it('does not write what it would not read', () => {
    expect(() => serializeKeyring({ ...fixture.keyring, generation: 0 })).toThrow(KeyringMalformed);
  });
});

it('says of a slot of a type that is not known that it is one', () => {
  const unknown = canonicalJson(changeAt(document, ['slots', 1, 'type'], () => 'of-tomorrow') as JsonValue);
  expect(() => parseKeyring(unknown)).toThrow('at slots.1.type, a type of slot that is not known here');
  const cut = canonicalJson(changeAt(document, ['slots', 1, 'kdf'], () => ({ name: 'none' })) as JsonValue);
  expect(() => parseKeyring(cut)).not.toThrow('a type of slot');
});

it('says where, and never what', () => {
  const secretLike = 'QUJD'.repeat(20);
  try {
    parseKeyring(canonicalJson(changeAt(document, ['slots', 0, 'wraps', 0, 'wrapped'], () => secretLike) as JsonValue));
    expect.unreachable();
  } catch (error) {
    expect(String(error)).toContain('slots.0.wraps.0.wrapped');
    expect(String(error)).not.toContain(secretLike);
  }
});
