/**
 * CRC-64/NVME, eight bytes at a time. The JavaScript library for it answers through a promise and at a third of this speed
 * (0.34 against 1.1 GB/s on Node 24), and there is no native one.
 *
 * Source: NVM Express NVM Command Set Specification, "64b CRC": reflected polynomial 0x9A6C9329AC4BC9B5, initial value and
 * final XOR all ones. A value is two unsigned 32-bit halves, since JavaScript has no fast 64-bit integers.
 */
import { endianness } from 'node:os';

const POLYNOMIAL_HIGH = 0x9a6c9329;
const POLYNOMIAL_LOW = 0xac4bc9b5;
const SLICES = 8;
/** Below this, setting up an aligned view costs more than it gains. */
const MIN_SLICED_BYTES = 64;
const LITTLE_ENDIAN = endianness() === 'LE';

const { high: HIGH, low: LOW } = buildTables();

export class Crc64Nvme {
  #high = -1;
  #low = -1;

  update(data: Buffer): void {
    let at = 0;
    if (LITTLE_ENDIAN && data.length >= MIN_SLICED_BYTES) {
      const aligned = (4 - (data.byteOffset & 3)) & 3;
      this.#bytes(data, 0, aligned);
      const words = new Int32Array(data.buffer, data.byteOffset + aligned, (data.length - aligned) >>> 2);
      const pairs = words.length >>> 1;
      this.#pairs(words, pairs);
      at = aligned + pairs * 8;
    }
    this.#bytes(data, at, data.length);
  }

  /** Eight bytes, most significant first. */
  digest(): Buffer {
    const value = Buffer.alloc(8);
    value.writeInt32BE(~this.#high, 0);
    value.writeInt32BE(~this.#low, 4);
    return value;
  }

  #pairs(words: Int32Array, pairs: number): void {
    let high = this.#high;
    let low = this.#low;
    for (let i = 0; i < pairs * 2; i += 2) {
      const a = low ^ (words[i] as number);
      const b = high ^ (words[i + 1] as number);
      const i0 = 0x700 | (a & 0xff);
      const i1 = 0x600 | ((a >>> 8) & 0xff);
      const i2 = 0x500 | ((a >>> 16) & 0xff);
      const i3 = 0x400 | (a >>> 24);
      const i4 = 0x300 | (b & 0xff);
      const i5 = 0x200 | ((b >>> 8) & 0xff);
      const i6 = 0x100 | ((b >>> 16) & 0xff);
      const i7 = b >>> 24;
      high = at(HIGH, i0) ^ at(HIGH, i1) ^ at(HIGH, i2) ^ at(HIGH, i3);
      high ^= at(HIGH, i4) ^ at(HIGH, i5) ^ at(HIGH, i6) ^ at(HIGH, i7);
      low = at(LOW, i0) ^ at(LOW, i1) ^ at(LOW, i2) ^ at(LOW, i3);
      low ^= at(LOW, i4) ^ at(LOW, i5) ^ at(LOW, i6) ^ at(LOW, i7);
    }
    this.#high = high;
    this.#low = low;
  }

  #bytes(data: Buffer, from: number, to: number): void {
    let high = this.#high;
    let low = this.#low;
    for (let i = from; i < to; i++) {
      const index = (low ^ (data[i] as number)) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ at(LOW, index);
      high = (high >>> 8) ^ at(HIGH, index);
    }
    this.#high = high;
    this.#low = low;
  }
}

function at(table: Int32Array, index: number): number {
  return table[index] as number;
}

/** Table `n` (256 entries from `n << 8`) is the effect of a byte followed by `n` zero bytes. */
function buildTables(): { high: Int32Array; low: Int32Array } {
  const high = new Int32Array(SLICES * 256);
  const low = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let h = 0;
    let l = byte;
    for (let bit = 0; bit < 8; bit++) {
      const carry = l & 1;
      l = (l >>> 1) | (h << 31);
      h >>>= 1;
      if (carry === 1) {
        h ^= POLYNOMIAL_HIGH;
        l ^= POLYNOMIAL_LOW;
      }
    }
    high[byte] = h;
    low[byte] = l;
  }
  for (let i = 256; i < SLICES * 256; i++) {
    const h = at(high, i - 256);
    const l = at(low, i - 256);
    const index = l & 0xff;
    low[i] = ((l >>> 8) | (h << 24)) ^ at(low, index);
    high[i] = (h >>> 8) ^ at(high, index);
  }
  return { high, low };
}
