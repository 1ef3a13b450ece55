/** Bodies of random size, the ways in which they travel, and what is promised of them. */

import { KiB, MiB } from '../../helpers/bytes.ts';
import type { Header } from '../../helpers/raw-client.ts';
import { ALGORITHMS, type Algorithm, referenceChecksum } from '../../helpers/reference-checksums.ts';
import { content } from '../corpus/content.ts';
import type { StoreName } from '../difference.ts';
import { type Framing, md5Text, type TwinRequest } from '../request.ts';
import type { Dice } from './dice.ts';

/** Around the edges of segments, of the small layout and of parts; large ones are rare, since each is moved four times. */
const SMALL = [0, 1, 2, 3, 15, 16, 17, 100, 255, 1000, 4096];
const EDGES = [64 * KiB - 1, 64 * KiB, 64 * KiB + 1, 128 * KiB, 128 * KiB + 1];
const LARGE = [MiB - 1, MiB, MiB + 1, MiB + 64 * KiB];

/** Those that MinIO and moto know. */
const OLDER: readonly Algorithm[] = ['CRC32', 'CRC32C', 'SHA1', 'SHA256'];
const NEWER: readonly Algorithm[] = ['CRC64NVME', 'SHA512', 'MD5', 'XXHASH64', 'XXHASH3', 'XXHASH128'];

/** What to promise of a body: any of S3's where bare-server.ts verifies them, else mostly what the store verifies itself. */
export function someChecksums(dice: Dice, store: StoreName): readonly Algorithm[] {
  if (store === 'embedded' || store === 'moto-strict') return ALGORITHMS;
  return dice.percent(85) ? OLDER : NEWER;
}

/** For whole uploads: what the bare store takes when one is begun. The strict wrapper takes the header for a leak of the proxy's. */
export function checksumOfUpload(dice: Dice, store: StoreName): Algorithm | undefined {
  return (store === 'minio' || store === 'moto') && dice.percent(30) ? dice.pick(OLDER) : undefined;
}

/** The reference is slow: bytes up to which it is asked for CRCs that Node does not have. */
const SLOW_REFERENCE_BYTES = 5000;

export function randomBody(dice: Dice): Buffer {
  const size = dice.pick(
    dice.weighted([
      [70, SMALL],
      [22, EDGES],
      [8, LARGE],
    ]),
  );
  return content(size, dice.pick(['a', 'b', 'c']));
}

export const headerOfChecksum = (algorithm: string): string => `x-amz-checksum-${algorithm.toLowerCase()}`;

/** One that can be computed quickly for the body. */
export function checksumFor(dice: Dice, body: Buffer, among: readonly Algorithm[]): Algorithm {
  const quick = among.filter((name) => !/^CRC(32C|64NVME)$/.test(name) || body.length <= SLOW_REFERENCE_BYTES);
  return quick.length === 0 ? 'CRC32' : dice.pick(quick);
}

/** Of the body; in `wrong` of 100 cases of another one. */
export function checksumText(dice: Dice, algorithm: Algorithm, body: Buffer, o: { wrong: number }): string {
  return referenceChecksum(algorithm, dice.percent(o.wrong) ? content(33, 'other') : body);
}

export interface Travel {
  readonly headers: readonly Header[];
  readonly rest: Pick<TwinRequest, 'framing' | 'trailer' | 'chunkBytes' | 'sign'>;
}

const FRAMINGS: readonly (readonly [number, Framing])[] = [
  [50, 'signed'],
  [12, 'unsigned'],
  [14, 'chunks'],
  [12, 'chunks-trailer'],
  [12, 'unsigned-trailer'],
];

/** How the body is sent, with what digests. `checksum`: the algorithm of a checksum, if one is promised. */
export function travel(dice: Dice, body: Buffer, checksum: Algorithm): Travel {
  if (dice.percent(6)) return { headers: [], rest: { sign: { by: 'query' } } };
  const framing = dice.weighted(FRAMINGS);
  const isTrailed = framing === 'chunks-trailer' || framing === 'unsigned-trailer';
  const chunkBytes = dice.pick([8192, 65_536, 1_048_576]);
  const rest = { framing, ...(framing === 'signed' || framing === 'unsigned' ? {} : { chunkBytes }) };
  if (isTrailed) {
    const trailer = [headerOfChecksum(checksum), checksumText(dice, checksum, body, { wrong: 6 })] as const;
    return { headers: [], rest: { ...rest, trailer } };
  }
  const sum = (): Header => [headerOfChecksum(checksum), checksumText(dice, checksum, body, { wrong: 10 })];
  const md5 = (): Header => ['content-md5', md5Text(dice.percent(10) ? 'other' : body)];
  return { headers: dice.percent(50) ? dice.maybe(50, sum) : dice.maybe(30, md5), rest };
}
