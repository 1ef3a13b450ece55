// Protects: every checksum algorithm against its published check value, and CRC-64/NVME, which is our own, against the AWS SDK's
// over random lengths, alignments and ways of cutting the input.
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

const CHECK = Buffer.from('123456789');
const CHECK_VALUES = {
  CRC32: 'cbf43926',
  CRC32C: 'e3069283',
  CRC64NVME: 'ae8b14860a799888',
  SHA1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
  SHA256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
  MD5: '25f9e794323b453885f5181f1b624d0b',
} as const;

describe('check values', () => {
  it('cover every algorithm', () => {
    expect(Object.keys(CHECK_VALUES).sort()).toEqual([...CHECKSUM_NAMES, 'MD5'].sort());
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
    expect(checksumName('SHA512')).toBeUndefined();
    expect(checksumName('')).toBeUndefined();
    expect(checksumHeader('CRC64NVME')).toBe('x-amz-checksum-crc64nvme');
  });
});
