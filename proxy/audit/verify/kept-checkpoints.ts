/** Checkpoints that somebody kept: the log must have had each of them, and must not be shorter. */
import type { Chain } from '../format/batch.ts';
import { parseNote, parseVerifier, type SignedNote, type Verifier } from '../format/signed-note.ts';
import type { TellFinding } from './findings.ts';

/**
 * Reads notes out of any text: notes one after the other, lines of a server's log, messages of the webhook.
 * @returns none when there is none
 */
export function readCheckpoints(text: string): readonly SignedNote[] {
  const plain = [...text.matchAll(/^sealgate-audit\/[0-9a-f]{16}\n\d+\n\S+\n[^\n]+\n\n(?:— \S+ \S+\n?)+/gm)];
  const inJson = text.split('\n').flatMap((line) => findStrings(line));
  const texts = [...plain.map(([note]) => note), ...inJson].map((note) => (note.endsWith('\n') ? note : `${note}\n`));
  return texts.flatMap((note) => parseNote(note) ?? []);
}

/** Values of members called `checkpoint`, however deep. */
function findStrings(line: string): string[] {
  if (!line.includes('"checkpoint"')) return [];
  const found: string[] = [];
  try {
    JSON.parse(line, (name, value) => {
      if (name === 'checkpoint' && typeof value === 'string') found.push(value);
      return value;
    });
  } catch {
    // Another line.
  }
  return found;
}

/** @returns undefined for what is no key */
export function readVerifier(text: string): Verifier | undefined {
  return parseVerifier(text.trim());
}

export class KeptCheckpoints {
  readonly #tell: TellFinding;
  #left: readonly SignedNote[];
  #confirmed = 0;
  #first: number | undefined;

  constructor(notes: readonly SignedNote[], tell: TellFinding) {
    this.#tell = tell;
    this.#left = notes.toSorted((a, b) => a.checkpoint.size - b.checkpoint.size);
  }

  /** Checkpoints that the log had. */
  get confirmed(): number {
    return this.#confirmed;
  }

  /** After each batch. `before`: leaves that stand before the first batch that is looked at. */
  compare({ origin, size, checkpoint }: Chain, added: number): void {
    this.#first ??= size - added;
    const root = parseNote(checkpoint)?.checkpoint.root;
    const due = this.#left.filter((note) => note.checkpoint.size <= size);
    this.#left = this.#left.filter((note) => note.checkpoint.size > size);
    for (const note of due) {
      const kept = note.checkpoint;
      const name = `checkpoint of size ${kept.size}`;
      if (kept.origin !== origin) this.#tell('another-log', name, `it is one of ${kept.origin}, the log is ${origin}`);
      else if (kept.size === size && root?.equals(kept.root) === true) this.#confirmed += 1;
      else if (kept.size <= this.#first && this.#first > 0) {
        this.#tell('checkpoint-before', name, 'it is older than what was looked at');
      } else
        this.#tell('checkpoint-contradicted', name, 'the log has another content at that size, or no checkpoint of it');
    }
  }

  /** At the end of the log. */
  finish(size: number): void {
    for (const { checkpoint } of this.#left) {
      this.#tell(
        'checkpoint-beyond',
        `checkpoint of size ${checkpoint.size}`,
        `the log has ${size}: it was rolled back`,
      );
    }
  }
}
