/** Every sequence of the corpus, by feature. */
import type { Sequence } from '../twin.ts';
import { OBJECTS } from './objects.ts';

export const CORPUS: readonly Sequence[] = [...OBJECTS];
