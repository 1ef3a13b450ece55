/**
 * Protects the last part numbers: where a store wants parts of one size, whether the end of an object still finds numbers is known before
 * it is sealed, so that a long pad is not what makes an upload fail.
 */
import { describe, expect, it } from 'vitest';
import { sealedPartBytes } from '../../../crypto/layout.ts';
import type { CurrentPart } from '../../../proxy/multipart/current-parts.ts';
import { hasRoomFor } from '../../../proxy/multipart/send-rest.ts';
import type { UploadContext } from '../../../proxy/multipart/upload-context.ts';

const SIZE = 5 * 1024 * 1024;
const at = (equalParts: boolean) => ({ store: { capabilities: { equalParts } } }) as unknown as UploadContext;
const part = (number: number, size: number, kind: 'backend' | 'staged') =>
  ({ number, size, place: kind === 'staged' ? { kind, name: '' } : { kind, etag: '' } }) as unknown as CurrentPart;

describe('room behind the parts of an upload', () => {
  it('is what the last number has beside a staged part 10,000', () => {
    const parts = [part(1, SIZE, 'backend'), part(9_999, SIZE, 'backend'), part(10_000, SIZE - 100_000, 'staged')];
    const room = sealedPartBytes(SIZE) - sealedPartBytes(SIZE - 100_000);
    expect(hasRoomFor(at(true), parts, room)).toBe(true);
    expect(hasRoomFor(at(true), parts, room + 1)).toBe(false);
    expect(hasRoomFor(at(false), parts, 2_000_000)).toBe(true);
  });

  it('is a whole part behind part 9,999, and none of a staged part of that number', () => {
    const sent = [part(9_998, SIZE, 'backend'), part(9_999, SIZE, 'backend')];
    expect(hasRoomFor(at(true), sent, sealedPartBytes(SIZE))).toBe(true);
    expect(hasRoomFor(at(true), sent, sealedPartBytes(SIZE) + 1)).toBe(false);
    const staged = [part(9_998, SIZE, 'backend'), part(9_999, 1000, 'staged')];
    expect(hasRoomFor(at(true), staged, 2 * sealedPartBytes(SIZE) - sealedPartBytes(1000))).toBe(true);
    expect(hasRoomFor(at(true), staged, 2 * sealedPartBytes(SIZE) - sealedPartBytes(1000) + 1)).toBe(false);
  });

  it('is never short for a part that is alone', () => {
    for (const equalParts of [true, false]) {
      expect(hasRoomFor(at(equalParts), [part(10_000, 1000, 'staged')], 2_000_000)).toBe(true);
    }
  });
});
