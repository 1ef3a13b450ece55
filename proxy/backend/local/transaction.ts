/**
 * What a mutation sees of the writer's open transaction: the index, and the list of blob files that nothing refers to any
 * more, which are unlinked once the transaction has committed.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { S3Error } from '../../errors.ts';
import { type BucketRow, Statements } from './rows.ts';

export class Transaction {
  /** This process's name in `pins` (owner.ts). */
  readonly owner: string;
  readonly #sql: Statements;
  #garbage: string[] = [];

  constructor(db: DatabaseSync, owner: string) {
    this.owner = owner;
    this.#sql = new Statements(db);
  }

  one<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#sql.one<Row>(sql, ...values);
  }

  all<Row>(sql: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.#sql.all<Row>(sql, ...values);
  }

  run(sql: string, ...values: SQLInputValue[]): number {
    return this.#sql.run(sql, ...values);
  }

  /** Everything since then is undone by `undo`, or kept by `keep`. */
  save(): void {
    this.run('SAVEPOINT one');
  }

  keep(): void {
    this.run('RELEASE one');
  }

  undo(): void {
    this.run('ROLLBACK TO one');
    this.run('RELEASE one');
    this.#garbage = [];
  }

  /** @throws S3Error NoSuchBucket */
  bucket(name: string): BucketRow {
    const row = this.one<BucketRow>('SELECT * FROM buckets WHERE name = ?', name);
    if (row === undefined) throw new S3Error('NoSuchBucket', undefined, { details: { BucketName: name } });
    return row;
  }

  /** Records a blob file as garbage; whoever opens the store next unlinks it if this process does not come to it. */
  discard(file: string): void {
    this.run('INSERT OR IGNORE INTO garbage (file) VALUES (?)', file);
    if (this.one('SELECT 1 FROM pins WHERE file = ? LIMIT 1', file) === undefined) this.#garbage.push(file);
  }

  /** A file that became garbage earlier, and has no pin any more. */
  unpinned(file: string): void {
    this.#garbage.push(file);
  }

  /** Takes the files discarded since the last call. */
  takeGarbage(): string[] {
    const garbage = this.#garbage;
    this.#garbage = [];
    return garbage;
  }
}
