/** A small disk for tests of full ones: a tmpfs, where the machine lets one be mounted. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class SmallDisk {
  readonly directory: string;
  readonly #filler: string;

  /** `undefined`, with one printed line, where nothing may be mounted. */
  static mount(mebibytes: number): SmallDisk | undefined {
    const directory = mkdtempSync(join(tmpdir(), 'sealgate-full-'));
    try {
      run('mount', '-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', directory);
      return new SmallDisk(directory);
    } catch {
      rmSync(directory, { recursive: true });
      console.log('this machine lets no tmpfs be mounted: tests of a full disk are left out');
      return undefined;
    }
  }

  private constructor(directory: string) {
    this.directory = directory;
    this.#filler = join(directory, 'filler');
  }

  /** Bytes. */
  get free(): number {
    const { bavail, bsize } = statfsSync(this.directory);
    return bavail * bsize;
  }

  /** Takes every block that is left. */
  fill(): void {
    const file = openSync(this.#filler, 'a');
    try {
      for (const block = Buffer.alloc(64 * 1024); ; ) writeSync(file, block);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
    if (this.free > 0) throw new Error(`${this.free} bytes are still free`);
  }

  /** Gives back what `fill` took. */
  makeRoom(): void {
    rmSync(this.#filler, { force: true });
  }

  unmount(): void {
    run('umount', this.directory);
    rmSync(this.directory, { recursive: true });
  }
}

function run(program: 'mount' | 'umount', ...options: readonly string[]): void {
  execFileSync(program, options, { stdio: 'ignore' });
}
