/**
 * Vectors whose attributes open and are not in canonical form.
 */
import { Buffer } from 'node:buffer';
import { uint16, uint64 } from '../../../crypto/bytes.ts';
import { attribute, forgeHeader, headerBox } from '../forge.ts';
import { bad, bytes, NAME, root, single, type VectorCase } from './build.ts';

const SIZE = attribute(0x01, uint64(1));
const SALT = attribute(0x02, Buffer.alloc(32, 1));
const ETAG = attribute(0x10, Buffer.alloc(18));

/** Encodings that no writer may produce, by the name of the vector. */
export const MALFORMED_ATTRIBUTES: Readonly<Record<string, Buffer>> = {
  empty: Buffer.alloc(0),
  'contents-0': bytes(Buffer.of(0)),
  'contents-4': bytes(Buffer.of(4), SIZE, SALT, ETAG),
  'late-missing': bytes(Buffer.of(1), SIZE, SALT),
  'early-missing': bytes(Buffer.of(2), ETAG),
  'size-missing': bytes(Buffer.of(3), SALT, ETAG),
  'size-twice': bytes(Buffer.of(3), SIZE, SIZE, SALT, ETAG),
  'size-short': bytes(Buffer.of(3), attribute(0x01, Buffer.alloc(7)), SALT, ETAG),
  'size-huge': bytes(Buffer.of(3), attribute(0x01, Buffer.alloc(8, 0xff)), SALT, ETAG),
  'salt-missing': bytes(Buffer.of(3), SIZE, ETAG),
  order: bytes(Buffer.of(3), SALT, SIZE, ETAG),
  'tag-unknown': bytes(Buffer.of(3), SIZE, SALT, attribute(0x05, Buffer.of(1)), ETAG),
  trailing: bytes(Buffer.of(3), SIZE, SALT, ETAG, Buffer.of(0)),
  cut: bytes(Buffer.of(3), SIZE, SALT, ETAG).subarray(0, -1),
  'header-unknown': bytes(Buffer.of(3), SIZE, SALT, attribute(0x03, Buffer.of(7, 65)), ETAG),
  'header-empty': bytes(Buffer.of(3), SIZE, SALT, attribute(0x03, Buffer.alloc(0)), ETAG),
  'header-twice': bytes(
    Buffer.of(3),
    SIZE,
    SALT,
    attribute(0x03, Buffer.of(1, 65)),
    attribute(0x03, Buffer.of(1, 66)),
    ETAG,
  ),
  'metadata-unnamed': bytes(Buffer.of(3), SIZE, SALT, attribute(0x04, Buffer.of(0, 0, 65)), ETAG),
  'metadata-overrun': bytes(Buffer.of(3), SIZE, SALT, attribute(0x04, Buffer.of(0, 9, 65)), ETAG),
  'metadata-twice': bytes(
    Buffer.of(3),
    SIZE,
    SALT,
    attribute(0x04, Buffer.of(0, 1, 65, 1)),
    attribute(0x04, Buffer.of(0, 1, 65, 2)),
    ETAG,
  ),
  'part-count-2': bytes(Buffer.of(3), SIZE, SALT, attribute(0x10, bytes(Buffer.alloc(16), uint16(2)))),
  'checksum-id': bytes(Buffer.of(3), SIZE, SALT, ETAG, attribute(0x12, Buffer.of(11, 1, 0, 0, 0, 0))),
  'checksum-type': bytes(Buffer.of(3), SIZE, SALT, ETAG, attribute(0x12, Buffer.of(1, 3, 0, 0, 0, 0))),
  'checksum-length': bytes(Buffer.of(3), SIZE, SALT, ETAG, attribute(0x12, Buffer.of(1, 1, 0, 0, 0))),
  'checksum-twice': bytes(
    Buffer.of(3),
    SIZE,
    SALT,
    ETAG,
    attribute(0x12, Buffer.of(1, 1, 0, 0, 0, 0)),
    attribute(0x12, Buffer.of(1, 2, 0, 0, 0, 0)),
  ),
  'total-size': bytes(Buffer.of(3), SIZE, SALT, ETAG, attribute(0x11, uint64(1))),
  fingerprint: bytes(Buffer.of(3), SIZE, SALT, ETAG, attribute(0x14, Buffer.alloc(32))),
  pad: bytes(Buffer.of(3), SIZE, SALT, ETAG, attribute(0x15, Buffer.alloc(4))),
};

export const ATTRIBUTES_CASES: readonly VectorCase[] = Object.entries(MALFORMED_ATTRIBUTES).map(([name, plaintext]) =>
  bad(
    `attrs-malformed-${name}`,
    'ATTRIBUTES_MALFORMED',
    'A box that opens, with an encoding that is not allowed.',
    () => {
      const object = single(0, 1);
      const box = headerBox({ dek: object.dek, layout: 0, name: NAME, plaintext });
      return {
        header: forgeHeader({ root, name: NAME, dek: object.dek, binding: object.binding, layout: 0, box }),
        body: object.body,
      };
    },
  ),
);
