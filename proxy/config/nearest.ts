/** Finds what a user may have meant with a mistyped command, option or name of a setting. */
import { distance } from 'fastest-levenshtein';

/** Changes of one character that still count as a typing error, as a share of the word's length; at least two. */
const CLOSE_SHARE = 1 / 3;

/** The candidate that takes the fewest changes; undefined when none is close. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates.map((candidate) => ({ candidate, changes: distance(word, candidate) }));
  const [best] = ranked.toSorted((a, b) => a.changes - b.changes);
  const longer = Math.max(word.length, best?.candidate.length ?? 0);
  return best !== undefined && best.changes <= Math.max(2, longer * CLOSE_SHARE) ? best.candidate : undefined;
}

/** ` Did you mean 'x'?`, or the whole choice when nothing is close. */
export function suggestion(word: string, candidates: readonly string[]): string {
  const close = nearest(word, candidates);
  if (close !== undefined) return ` Did you mean '${close}'?`;
  return candidates.length === 0 ? '' : ` There is: ${candidates.join(', ')}.`;
}
