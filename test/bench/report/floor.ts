/**
 * The floor of a load: the processor time that no proxy of this kind on Node.js can avoid. Moving the bytes through
 * node:http, measured in the same rounds, and the cryptography that the format and S3 demand, measured between them.
 */
import type { CryptoFloor } from '../floor-child.ts';
import type { FloorPart, Load } from '../loads/load.ts';
import type { Result } from '../measure/result.ts';

/** Seconds of processor time for each GiB. */
export interface Floor {
  readonly load: Load;
  /** Whose cost is compared. */
  readonly program: 'sealgate' | 'opaque';
  /** The minimal pass-through. */
  readonly moving: number;
  readonly parts: Readonly<Partial<Record<FloorPart, number>>>;
  readonly sum: number;
  readonly sealgate: number;
  /** Sealgate's time over the sum. */
  readonly ratio: number;
}

/** `undefined` where a piece of it was not measured. */
export function floorOf(
  load: Load,
  results: readonly Result[],
  crypto: CryptoFloor | undefined,
  program: 'sealgate' | 'opaque' = 'sealgate',
): Floor | undefined {
  const cost = (target: string) =>
    results.find((result) => result.load === load.name && result.target === target)?.cpuSecondsPerGiB;
  const [moving, sealgate] = [cost('node-http'), cost(program)];
  if (load.floor === undefined || crypto === undefined || moving === undefined || sealgate === undefined)
    return undefined;
  // With opaque ETags nobody asks for the MD5.
  const paid = load.floor.filter((part) => program === 'sealgate' || part !== 'md5');
  const parts = Object.fromEntries(paid.map((part) => [part, crypto[part]]));
  const sum = paid.reduce((total, part) => total + crypto[part], moving);
  return { load, program, moving, parts, sum, sealgate, ratio: sealgate / sum };
}
