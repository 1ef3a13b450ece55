/**
 * Protects FORMAT.md from describing another format than the program writes, and crypto/ from knowing more than it should.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { SEALED_HEADERS, Tag } from '../../crypto/attributes.ts';
import { checksumAlgorithms, checksumBytes, checksumId } from '../../crypto/checksums.ts';
import { formatErrorCodes } from '../../crypto/errors.ts';
import {
  ALGORITHM,
  FORMAT_VERSION,
  LOCATOR_BYTES,
  LOCATOR_MAGIC,
  PART_HEADER_BYTES,
  PART_MAGIC,
} from '../../crypto/layout.ts';
import { MAX_PAD_BYTES, MAX_SMALL_BYTES } from '../../crypto/stored-length.ts';
import { MAX_TABLE_BYTES } from '../../crypto/table.ts';

const project = fileURLToPath(new URL('../../', import.meta.url));
// Tables are padded for the eye: one space is enough here.
const text = readFileSync(`${project}crypto/FORMAT.md`, 'utf8')
  .replace(/ *\| */g, ' | ')
  .replace(/^ \| /gm, '| ');
const sources = readdirSync(`${project}crypto`)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file, source: readFileSync(`${project}crypto/${file}`, 'utf8') }));

function proxySources() {
  return readdirSync(`${project}proxy`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => ({ file, source: readFileSync(`${project}proxy/${file}`, 'utf8') }));
}

/** The text from one numbered heading to the next. */
function section(number: number): string {
  const start = text.indexOf(`\n## ${number}. `);
  const end = text.indexOf(`\n## ${number + 1}. `);
  if (start < 0 || end < 0) throw new Error(`FORMAT.md has no section ${number}.`);
  return text.slice(start, end);
}

describe('FORMAT.md', () => {
  it('states the version of the program in its first line', () => {
    expect(text.split('\n')[0]).toBe(`# Sealgate object format, version ${FORMAT_VERSION}`);
    expect(ALGORITHM).toBe(`sealgate-${FORMAT_VERSION}`);
    expect(section(4)).toContain(`\`${ALGORITHM}\``);
  });

  it('has exactly the error codes of the program, in its order', () => {
    const codes = [...section(10).matchAll(/^\| ([A-Z_]+) \|/gm)].map(([, code]) => code);
    expect(codes).toEqual(formatErrorCodes());
  });

  it('has exactly the labels of the program', () => {
    const listed = [...text.matchAll(/^\| [^\n]*?`?(sealgate\/1\/[a-z-]+)["`]/gm)].map(([, label]) => label);
    const used = [...sources, ...proxySources()].flatMap(({ source }) =>
      [...source.matchAll(/'(sealgate\/1\/[a-z-]+)'/g)].map(([, label]) => label),
    );
    expect(listed.length).toBe(33);
    expect(new Set(listed).size).toBe(listed.length);
    expect([...new Set(used)].sort()).toEqual([...listed].sort());
  });

  it('has the magics, tags, ids and limits of the program', () => {
    const spaced = (bytes: Buffer) => bytes.toString('hex').replace(/..(?!$)/g, '$& ');
    expect(section(6)).toContain(`\`${spaced(PART_MAGIC)}\``);
    expect(section(7)).toContain(`\`${spaced(LOCATOR_MAGIC)}\``);
    expect([PART_HEADER_BYTES, LOCATOR_BYTES]).toEqual([48, 24]);
    const tags = [...section(5).matchAll(/^\| 0x([0-9a-f]{2}) /gm)].map(([, tag]) => Number.parseInt(tag ?? '', 16));
    expect(tags).toEqual(Object.values(Tag));
    const headers = SEALED_HEADERS.map((name, i) => `${i + 1} ${name}`).join(', ');
    expect(section(5).toLowerCase()).toContain(headers);
    for (const algorithm of checksumAlgorithms()) {
      expect(section(5)).toContain(`| ${checksumId(algorithm)} | ${algorithm} | ${checksumBytes(algorithm)} |`);
    }
    for (const limit of [MAX_TABLE_BYTES, MAX_PAD_BYTES, MAX_SMALL_BYTES]) {
      expect(section(11)).toContain(limit.toLocaleString('en-US'));
    }
  });
});

describe('crypto/', () => {
  it('imports node:crypto, node:buffer and itself only', () => {
    const imported = sources.flatMap(({ source }) =>
      [...source.matchAll(/from '([^']+)'/g)].map(([, from]) => from ?? ''),
    );
    expect(imported.length).toBeGreaterThan(50);
    const foreign = imported.filter((from) => !/^(node:crypto|node:buffer|\.\/[a-z0-9-]+\.ts)$/.test(from));
    expect(foreign).toEqual([]);
  });

  it('states the length of tags wherever it makes a cipher, and draws random bytes in one place', () => {
    const ciphers = sources.flatMap(({ source }) => [...source.matchAll(/create(?:Dec|C)ipheriv\((.*?, \w+)\)/g)]);
    expect(ciphers).toHaveLength(4);
    for (const [, parameters] of ciphers) expect(parameters).toMatch(/, OPTIONS$/);
    const making = sources.filter(({ source }) => /create(?:Dec|C)ipheriv\(/.test(source));
    for (const { source } of making) expect(source).toContain('const OPTIONS = { authTagLength: TAG_BYTES };');
    const drawing = sources.filter(({ source }) => /randomBytes|randomFill|getRandomValues|Math\.random/.test(source));
    expect(drawing.map(({ file }) => file)).toEqual(['random.ts']);
  });

  it('keeps data keys and counters to itself', () => {
    const outside = proxySources();
    expect(outside.length).toBeGreaterThan(20);
    const isInner = /\b(deriveFromDek|wrapDek|unwrapDek|RunSealer|SegmentNonce)\b/;
    const offending = outside.filter(({ source }) => isInner.test(source)).map(({ file }) => file);
    expect(offending).toEqual([]);
  });
});
