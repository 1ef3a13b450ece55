// Protects: every checksum algorithm against its published check value, and CRC-64/NVME, which is our own, against the AWS SDK's
// over random lengths, alignments and ways of cutting the input. XXHASH*: against another implementation, with many hashers taking
// turns at one engine.
import { Crc64Nvme as Oracle } from '@aws-sdk/crc64-nvme';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CHECKSUM_NAMES,
  checksumHeader,
  checksumName,
  createHasher,
  decodeBase64,
  decodeChecksum,
} from '../../../proxy/body/checksums.ts';
import { Crc64Nvme } from '../../../proxy/body/crc64nvme.ts';
import { referenceChecksum } from '../../helpers/reference-checksums.ts';

const CHECK = Buffer.from('123456789');
const CHECK_VALUES = {
  CRC32: 'cbf43926',
  CRC32C: 'e3069283',
  CRC64NVME: 'ae8b14860a799888',
  SHA1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
  SHA256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
  SHA512:
    'd9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85',
  MD5: '25f9e794323b453885f5181f1b624d0b',
  // As xxhsum 0.8.1 prints them.
  XXHASH64: '8cb841db40e6ae83',
  XXHASH3: '72dcb18b67a17dff',
  XXHASH128: '33119477ede5dcd5e9716427681d5860',
} as const;

describe('check values', () => {
  it('cover every algorithm', () => {
    expect(Object.keys(CHECK_VALUES).sort()).toEqual([...CHECKSUM_NAMES].sort());
  });

  for (const [name, value] of Object.entries(CHECK_VALUES)) {
    const algorithm = name as keyof typeof CHECK_VALUES;
    it(`${algorithm}, whole, byte by byte, and of nothing`, () => {
      const whole = createHasher(algorithm);
      whole.update(CHECK);
      expect(whole.digest().toString('hex')).toBe(value);

      const bytes = createHasher(algorithm);
      for (let i = 0; i < CHECK.length; i++) bytes.update(CHECK.subarray(i, i + 1));
      bytes.update(Buffer.alloc(0));
      expect(bytes.digest().toString('hex')).toBe(value);

      const empty = createHasher(algorithm).digest();
      expect(empty).toHaveLength(value.length / 2);
      if (algorithm.startsWith('CRC')) expect(empty.every((byte) => byte === 0)).toBe(true);
    });
  }
});

describe('CRC-64/NVME', () => {
  it('equals the AWS SDK, for any length, alignment and cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 700 }),
        fc.nat({ max: 7 }),
        fc.nat({ max: 700 }),
        async (bytes, offset, cut) => {
          const shifted = Buffer.concat([Buffer.alloc(offset), bytes]).subarray(offset);
          const ours = new Crc64Nvme();
          ours.update(shifted.subarray(0, cut));
          ours.update(shifted.subarray(cut));
          const oracle = new Oracle();
          oracle.update(shifted);
          expect(ours.digest().toString('hex')).toBe(Buffer.from(await oracle.digest()).toString('hex'));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('XXHASH*', () => {
  const NAMES = ['XXHASH64', 'XXHASH3', 'XXHASH128'] as const;
  /** Around the edges of the algorithms' own branches: lengths 0..3, 8, 16, 128, 240, blocks of 1,024, the engine's 16 KiB. */
  const EDGES = [0, 1, 3, 4, 8, 9, 16, 17, 32, 128, 129, 240, 241, 256, 1024, 1025, 16_383, 16_384, 16_385, 70_000];

  it.each(NAMES)('%s of every length at an edge, in pieces', (name) => {
    for (const length of EDGES) {
      const data = Buffer.from(Array.from({ length }, (_, i) => (i * 131 + (i >> 8)) & 255));
      const hasher = createHasher(name);
      for (let at = 0; at < length; at += 997) hasher.update(data.subarray(at, at + 997));
      expect(hasher.digest().toString('base64')).toBe(referenceChecksum(name, data));
    }
  });

  it('many at once keep apart, whoever is next', () => {
    const piece = fc.record({ hasher: fc.nat({ max: 5 }), data: fc.uint8Array({ maxLength: 700 }) });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const open = Array.from({ length: 6 }, (_, i) => {
          const name = NAMES[i % 3] ?? 'XXHASH3';
          return { name, hasher: createHasher(name), seen: [] as Uint8Array[] };
        });
        for (const { hasher, data } of pieces) {
          open[hasher]?.hasher.update(Buffer.from(data));
          open[hasher]?.seen.push(data);
        }
        for (const { name, hasher, seen } of open) {
          expect(hasher.digest().toString('base64')).toBe(referenceChecksum(name, Buffer.concat(seen)));
        }
      }),
      { numRuns: 200 },
    );
  });

  it('a hasher ends once', () => {
    const hasher = createHasher('XXHASH3');
    hasher.digest();
    expect(() => hasher.digest()).toThrow();
    expect(() => hasher.update(Buffer.alloc(1))).toThrow();
  });
});

describe('values', () => {
  it('are canonical base64 of the right length', () => {
    expect(decodeBase64('DUoRhQ==', 4)?.toString('hex')).toBe('0d4a1185');
    for (const text of ['DUoRhQ', 'DUoRhR==', 'DUoRhQ==\n', 'DUoRhQ= =', 'DUoR', '', 'DU-RhQ==', '0d4a1185']) {
      expect(decodeBase64(text, 4)).toBeUndefined();
    }
    expect(decodeChecksum('SHA256', 'DUoRhQ==')).toBeUndefined();
    expect(decodeChecksum('CRC64NVME', 'AAAAAAAAAAA=')).toHaveLength(8);
  });

  it('have S3 names in any case', () => {
    expect(checksumName('crc32c')).toBe('CRC32C');
    expect(checksumName('Crc64Nvme')).toBe('CRC64NVME');
    expect(checksumName('xxhash128')).toBe('XXHASH128');
    expect(checksumName('SHA384')).toBeUndefined();
    expect(checksumName('XXHASH32')).toBeUndefined();
    expect(checksumName('')).toBeUndefined();
    expect(checksumHeader('CRC64NVME')).toBe('x-amz-checksum-crc64nvme');
  });
});
