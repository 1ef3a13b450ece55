/**
 * Blob files that a long read will open one after another are pinned: replaced meanwhile, they stay on disk until the
 * read ends. Pins name their process, and those of a dead process are dropped when the store is next opened.
 */
import type { Transaction } from '../transaction.ts';

/** @returns false when one of the files is garbage already: the caller looks the object up again. */
export function pin(tx: Transaction, o: { readonly pin: number; readonly files: readonly string[] }): boolean {
  for (const file of o.files) {
    if (tx.one('SELECT 1 FROM bodies WHERE file = ?', file) === undefined) return false;
  }
  for (const file of o.files) {
    tx.run('INSERT OR IGNORE INTO pins (owner, pin, file) VALUES (?, ?, ?)', tx.owner, o.pin, file);
  }
  return true;
}

export function unpin(tx: Transaction, o: { readonly pin: number }): void {
  const freed = tx.all<{ file: string }>(
    'SELECT p.file FROM pins p JOIN garbage g ON g.file = p.file WHERE p.owner = ? AND p.pin = ?',
    tx.owner,
    o.pin,
  );
  tx.run('DELETE FROM pins WHERE owner = ? AND pin = ?', tx.owner, o.pin);
  for (const { file } of freed) {
    if (tx.one('SELECT 1 FROM pins WHERE file = ? LIMIT 1', file) === undefined) tx.unpinned(file);
  }
}

/** Files that were unlinked after an earlier commit. */
export function forgetGarbage(tx: Transaction, o: { readonly files: readonly string[] }): void {
  for (const file of o.files) tx.run('DELETE FROM garbage WHERE file = ?', file);
}
