/**
 * The CRC of a concatenation from the CRCs of its pieces, without their bytes: crc(A || B) = crc(A) * x^(8 |B|) + crc(B) in
 * GF(2)[x] modulo the polynomial. It serves the FULL_OBJECT checksum of a multipart upload (S3 user guide, "Checking object
 * integrity"). All three are reflected CRCs whose initial value and final xor are all ones, for which the identity holds.
 */
export type CombinableCrc = 'CRC32' | 'CRC32C' | 'CRC64NVME';

/** Reflected polynomials without their leading term. */
const POLYNOMIALS: Readonly<Record<CombinableCrc, { readonly bits: bigint; readonly polynomial: bigint }>> = {
  CRC32: { bits: 32n, polynomial: 0xedb88320n },
  CRC32C: { bits: 32n, polynomial: 0x82f63b78n },
  CRC64NVME: { bits: 64n, polynomial: 0x9a6c9329ac4bc9b5n },
};

export interface CrcPiece {
  /** As S3 sends it: most significant byte first. */
  readonly crc: Buffer;
  readonly bytes: number;
}

/** The CRC over all pieces in order. */
export function combineCrcs(algorithm: CombinableCrc, pieces: readonly CrcPiece[]): Buffer {
  const { bits } = POLYNOMIALS[algorithm];
  const shifts = new Map<number, bigint>();
  let combined = 0n;
  for (const { crc, bytes } of pieces) {
    const shift = shifts.get(bytes) ?? powerOfX(algorithm, 8n * BigInt(bytes));
    shifts.set(bytes, shift);
    combined = multiply(algorithm, combined, shift) ^ BigInt(`0x${crc.toString('hex')}`);
  }
  const width = Number(bits) / 4;
  return Buffer.from(combined.toString(16).padStart(width, '0'), 'hex');
}

/** x^exponent modulo the polynomial, reflected: the highest bit is x^0. */
function powerOfX(algorithm: CombinableCrc, exponent: bigint): bigint {
  const { bits } = POLYNOMIALS[algorithm];
  let result = 1n << (bits - 1n);
  let square = 1n << (bits - 2n);
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = multiply(algorithm, result, square);
    square = multiply(algorithm, square, square);
  }
  return result;
}

function multiply(algorithm: CombinableCrc, a: bigint, b: bigint): bigint {
  const { bits, polynomial } = POLYNOMIALS[algorithm];
  let product = 0n;
  let shifted = b;
  for (let mask = 1n << (bits - 1n); mask > 0n; mask >>= 1n) {
    if ((a & mask) !== 0n) product ^= shifted;
    shifted = (shifted & 1n) === 0n ? shifted >> 1n : (shifted >> 1n) ^ polynomial;
  }
  return product;
}
