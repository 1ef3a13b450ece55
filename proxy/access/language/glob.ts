/**
 * Patterns of the policy language: `*` for any text, `?` for one character (IAM user guide, "JSON policy elements: Resource").
 * No regular expression is made of a policy's text. The parts between two stars are looked for from left to right and never
 * again, so the work is at most the length of the text times that of the longest part.
 */

/** One character, any text, or literal text. Values of variables are literal, whatever characters they hold. */
export type GlobToken = { readonly literal: string } | 'one' | 'any';

/** A pattern as the pieces between its stars: a piece is literal text and `undefined` for one character. */
export type Glob = readonly (readonly (string | undefined)[])[];

export function globOf(tokens: readonly GlobToken[]): Glob {
  const pieces: (string | undefined)[][] = [[]];
  for (const token of tokens) {
    const piece = pieces[pieces.length - 1] as (string | undefined)[];
    if (token === 'any') pieces.push([]);
    else if (token === 'one') piece.push(undefined);
    else if (token.literal !== '') {
      const last = piece[piece.length - 1];
      if (last === undefined) piece.push(token.literal);
      else piece[piece.length - 1] = last + token.literal;
    }
  }
  return pieces;
}

/** Whether the whole of `text` is what the pattern describes. */
export function globMatches(glob: Glob, text: string): boolean {
  const [first = []] = glob;
  let at = matchAt(first, text, 0);
  if (at === undefined) return false;
  if (glob.length === 1) return at === text.length;
  for (let i = 1; i < glob.length - 1; i++) {
    at = find(glob[i] ?? [], text, at);
    if (at === undefined) return false;
  }
  return endsWith(glob[glob.length - 1] ?? [], text, at);
}

type Piece = Glob[number];

/** Where the piece ends when it begins at `at`; undefined when it is not there. */
function matchAt(piece: Piece, text: string, at: number): number | undefined {
  let position = at;
  for (const part of piece) {
    if (part === undefined) {
      if (position >= text.length) return undefined;
      position += characterAt(text, position);
    } else {
      if (!text.startsWith(part, position)) return undefined;
      position += part.length;
    }
  }
  return position;
}

/** Where the first occurrence from `from` on ends. */
function find(piece: Piece, text: string, from: number): number | undefined {
  if (piece.length === 0) return from;
  const [literal] = piece;
  let start = from;
  while (start <= text.length) {
    if (literal !== undefined) {
      start = text.indexOf(literal, start);
      if (start < 0) return undefined;
    }
    const end = matchAt(piece, text, start);
    if (end !== undefined) return end;
    start += Math.max(1, characterAt(text, start));
  }
  return undefined;
}

/** Whether the text ends with the piece, which begins at `from` or later. */
function endsWith(piece: Piece, text: string, from: number): boolean {
  let position = text.length;
  for (let i = piece.length - 1; i >= 0; i--) {
    const part = piece[i];
    if (part === undefined) position -= position > 0 ? characterBefore(text, position) : 1;
    else if (text.endsWith(part, position)) position -= part.length;
    else return false;
    if (position < from) return false;
  }
  return true;
}

/** UTF-16 units of the character that begins there. */
function characterAt(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}

function characterBefore(text: string, end: number): number {
  return end > 1 && (text.codePointAt(end - 2) ?? 0) > 0xffff ? 2 : 1;
}

/** Whether some text matches that is `text` itself, or begins with `text` and then `separator`. */
export function globCouldContinue(glob: Glob, text: string, separator: string): boolean {
  return globMatches(glob, text) || couldBegin(glob, text + separator);
}

/** Whether some text that matches begins like this: how far each way of reading the pattern comes is followed at once. */
function couldBegin(glob: Glob, text: string): boolean {
  const tokens = tokensOf(glob);
  let at = closure(tokens, new Set([0]));
  for (const character of text) {
    const next = new Set<number>();
    for (const position of at) {
      const token = tokens[position];
      if (token === 'any') next.add(position);
      else if (token === 'one' || token === character) next.add(position + 1);
    }
    at = closure(tokens, next);
  }
  return at.size > 0;
}

/** A star may stand for nothing. */
function closure(tokens: readonly string[], positions: Set<number>): Set<number> {
  for (const position of positions) if (tokens[position] === 'any') positions.add(position + 1);
  return positions;
}

/** Single characters, `one` and `any`: neither word is one character. */
function tokensOf(glob: Glob): readonly string[] {
  return glob.flatMap((piece, index) => [
    ...(index === 0 ? [] : ['any']),
    ...piece.flatMap((part) => (part === undefined ? ['one'] : [...part])),
  ]);
}
