/**
 * The smallest random sequence that still shows a difference. First large pieces of it are left out, then single steps, then
 * headers of the steps that remain (delta debugging, in three passes of halving pieces).
 */
import type { TwinRequest } from '../request.ts';
import type { Sequence, Step, Twin, Unexplained } from '../twin.ts';

/** Runs of the sequence at most. */
const MAX_TRIES = 120;

export async function smallest(twin: Twin, sequence: Sequence, found: Unexplained): Promise<Sequence> {
  const search = new Search(twin, sequence, found);
  let steps: readonly Step[] = sequence.steps.slice(0, found.step + 1);
  for (let piece = Math.max(1, steps.length >> 1); ; piece = piece >> 1) {
    steps = await withoutPieces(search, steps, piece);
    if (piece <= 1) break;
  }
  return { ...sequence, steps: await withoutHeaders(search, steps) };
}

class Search {
  readonly #twin: Twin;
  readonly #sequence: Sequence;
  readonly #at: string;
  readonly #method: string;
  #tries = 0;

  constructor(twin: Twin, sequence: Sequence, found: Unexplained) {
    this.#twin = twin;
    this.#sequence = sequence;
    this.#at = found.difference.at;
    this.#method = found.request.method;
  }

  /** Whether the last step still differs in the same place. False when there were tries enough. */
  async shows(steps: readonly Step[]): Promise<boolean> {
    this.#tries += 1;
    if (this.#tries > MAX_TRIES) return false;
    try {
      const { unexplained } = await this.#twin.run({ ...this.#sequence, steps }, { quietly: true });
      return unexplained.some(
        ({ step, request, difference }) =>
          step === steps.length - 1 && request.method === this.#method && difference.at === this.#at,
      );
    } catch {
      // A value that only a step left out would have saved.
      return false;
    }
  }
}

/** The last step stays: it is the one that differs. */
async function withoutPieces(search: Search, steps: readonly Step[], piece: number): Promise<readonly Step[]> {
  let left = steps;
  for (let end = left.length - 1; end > 0; end -= piece) {
    const fewer = [...left.slice(0, Math.max(0, end - piece)), ...left.slice(end)];
    if (fewer.length < left.length && (await search.shows(fewer))) left = fewer;
  }
  return left;
}

async function withoutHeaders(search: Search, steps: readonly Step[]): Promise<readonly Step[]> {
  let left = steps;
  for (let at = left.length - 1; at >= 0; at--) {
    for (;;) {
      const step = left[at];
      const fewer =
        step === undefined || !('method' in step) ? undefined : await withoutOneHeader(search, left, at, step);
      if (fewer === undefined) break;
      left = fewer;
    }
  }
  return left;
}

async function withoutOneHeader(
  search: Search,
  steps: readonly Step[],
  at: number,
  step: TwinRequest,
): Promise<readonly Step[] | undefined> {
  const { headers = [] } = step;
  for (const header of headers) {
    const fewer = steps.with(at, { ...step, headers: headers.filter((other) => other !== header) });
    if (await search.shows(fewer)) return fewer;
  }
  return undefined;
}
