/** Every sequence of the corpus, by feature. */
import type { Sequence } from '../twin.ts';
import { BODIES } from './bodies.ts';
import { BUCKETS } from './buckets.ts';
import { CONDITIONS } from './conditions.ts';
import { CONFIGURATION } from './configuration.ts';
import { COPIES } from './copies.ts';
import { DELETES } from './deletes.ts';
import { KEYS_CORPUS } from './keys.ts';
import { LISTS } from './lists.ts';
import { MULTIPART } from './multipart.ts';
import { OBJECTS } from './objects.ts';
import { RANGES } from './ranges.ts';
import { SIGNATURES } from './signatures.ts';
import { VERSIONS } from './versions.ts';

export const CORPUS: readonly Sequence[] = [
  ...OBJECTS,
  ...RANGES,
  ...CONDITIONS,
  ...KEYS_CORPUS,
  ...LISTS,
  ...BUCKETS,
  ...BODIES,
  ...VERSIONS,
  ...MULTIPART,
  ...COPIES,
  ...DELETES,
  ...CONFIGURATION,
  ...SIGNATURES,
];
