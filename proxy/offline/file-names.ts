/**
 * Object keys as paths below a directory, and back. A key is any text: `..`, empty pieces, control characters and pieces
 * longer than a file name may be are written percent-encoded, so that no key leaves the directory and no two keys share a path.
 *
 * `%` itself is always encoded, which leaves three forms free: a piece that is `%` alone is an empty one (`a//b`), a piece
 * that ends in `%` goes on in the next one (a name too long for a file system), and one that ends in `%d` or `%f` is a
 * directory or a file beside a file or directory of the same name.
 */
/** Bytes of UTF-8 in one piece of a path: file systems take 255, and `%d`, `%meta.json` and the name aside need room. */
const MAX_PIECE_BYTES = 200;

/** Pieces of a relative path; at least one, none of them empty, `.` or `..`. */
export function pathOfKey(key: string): readonly string[] {
  return key.split('/').flatMap(piecesOf);
}

/** The inverse of `pathOfKey`. */
export function keyOfPath(pieces: readonly string[]): string {
  let key = '';
  pieces.forEach((piece, index) => {
    const bare = piece.replace(/%[df]$/, '');
    const continues = bare !== '%' && bare.endsWith('%');
    const text = bare.endsWith('%') ? bare.slice(0, -1) : bare;
    key += decodeURIComponent(text) + (continues || index === pieces.length - 1 ? '' : '/');
  });
  return key;
}

/** Whether the path looks other than the key. */
export function isRenamed(key: string): boolean {
  return pathOfKey(key).join('/') !== key;
}

function piecesOf(name: string): string[] {
  if (name === '') return ['%'];
  if (name === '.') return ['%2E'];
  if (name === '..') return ['%2E%2E'];
  const pieces: string[] = [];
  let piece = '';
  let bytes = 0;
  for (const character of name) {
    const text = isOdd(character) ? encode(character) : character;
    const length = Buffer.byteLength(text);
    if (bytes + length > MAX_PIECE_BYTES) {
      pieces.push(`${piece}%`);
      piece = '';
      bytes = 0;
    }
    piece += text;
    bytes += length;
  }
  return [...pieces, piece];
}

/** Control characters; `%`, which marks what is encoded; `\`, which parts pieces of a path on some systems. */
function isOdd(character: string): boolean {
  return /[\p{Cc}%\\]/u.test(character);
}

function encode(character: string): string {
  return [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}
