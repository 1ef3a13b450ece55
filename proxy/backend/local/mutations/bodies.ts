/**
 * Stored bodies and who refers to them. A body is counted by the versions, upload parts and pieces that refer to it, so a
 * copy shares it; at zero its row goes and its file becomes garbage.
 */
import type { BodyRow, PieceRow } from '../rows.ts';
import type { Transaction } from '../transaction.ts';

/** A body that was received: a blob file already on disk, or the bytes themselves. */
export interface NewBody {
  readonly size: number;
  readonly md5: string;
  readonly file?: string;
  readonly data?: Uint8Array;
}

export type Slice = Omit<PieceRow, 'position'>;
type BodyHead = Pick<BodyRow, 'id' | 'refs' | 'size' | 'file'> & { readonly leaf: 0 | 1 };

/** @returns the id of a leaf with one reference, which the caller now holds. */
export function addLeaf(tx: Transaction, body: NewBody): number {
  return tx.run(
    'INSERT INTO bodies (refs, size, md5, file, data) VALUES (1, ?, ?, ?, ?)',
    body.size,
    body.md5,
    body.file ?? null,
    body.data ?? null,
  );
}

/** Adds a composite with one reference; the caller has taken a reference on each slice's leaf for it. */
export function addComposite(tx: Transaction, slices: readonly Slice[]): number {
  const size = slices.reduce((sum, slice) => sum + slice.length, 0);
  const id = tx.run('INSERT INTO bodies (refs, size) VALUES (1, ?)', size);
  let position = 0;
  for (const slice of slices) {
    tx.run(
      'INSERT INTO pieces (body, position, part, leaf, start, length) VALUES (?, ?, ?, ?, ?, ?)',
      id,
      position,
      slice.part,
      slice.leaf,
      slice.start,
      slice.length,
    );
    position += slice.length;
  }
  return id;
}

export function retain(tx: Transaction, body: number): void {
  tx.run('UPDATE bodies SET refs = refs + 1 WHERE id = ?', body);
}

export function release(tx: Transaction, body: number): void {
  const row = bodyHead(tx, body);
  if (row === undefined) throw new Error(`the index refers to body ${body}, which it does not have`);
  if (row.refs > 1) {
    tx.run('UPDATE bodies SET refs = refs - 1 WHERE id = ?', body);
    return;
  }
  tx.run('DELETE FROM bodies WHERE id = ?', body);
  if (row.file !== null) tx.discard(row.file);
  if (row.leaf === 1) return;
  const leaves = tx.all<{ leaf: number }>('SELECT leaf FROM pieces WHERE body = ?', body);
  tx.run('DELETE FROM pieces WHERE body = ?', body);
  for (const { leaf } of leaves) release(tx, leaf);
}

/** Everything about a body but its bytes; undefined when it is gone. Ids are never used twice. */
export function bodyHead(tx: Transaction, body: number): BodyHead | undefined {
  return tx.one<BodyHead>(
    'SELECT id, refs, size, file, (file IS NOT NULL OR data IS NOT NULL) AS leaf FROM bodies WHERE id = ?',
    body,
  );
}

/** `[start, start + length)` of a body as slices of leaves. An empty range is one empty slice. */
export function slicesOf(tx: Transaction, body: BodyHead, start: number, length: number, part: number): Slice[] {
  if (body.leaf === 1) return [{ part, leaf: body.id, start, length }];
  const end = start + length;
  const slices: Slice[] = [];
  for (const piece of tx.all<PieceRow>('SELECT * FROM pieces WHERE body = ? ORDER BY position', body.id)) {
    if (length === 0) return [{ part, leaf: piece.leaf, start: piece.start, length }];
    const from = Math.max(start, piece.position);
    const to = Math.min(end, piece.position + piece.length);
    if (from < to) {
      slices.push({ part, leaf: piece.leaf, start: piece.start + from - piece.position, length: to - from });
    }
  }
  return slices;
}
