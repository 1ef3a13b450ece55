/** A sequence of random requests from a seed: the same seed gives the same sequence for a store, on every machine. */
import type { StoreName } from '../difference.ts';
import type { TwinRequest } from '../request.ts';
import type { Sequence, Step } from '../twin.ts';
import { Dice } from './dice.ts';
import { astray, listV1, listV2, listVersions, pages } from './lists.ts';
import { Model, type Versioning } from './model.ts';
import {
  abortUpload,
  completeUpload,
  createUpload,
  listParts,
  listUploads,
  uploadPart,
  uploadPartCopy,
} from './multipart.ts';
import {
  attributesOf,
  copyObject,
  deleteObject,
  deleteObjects,
  putObject,
  readObject,
  spoiltPut,
  tagging,
} from './objects.ts';
import { race } from './races.ts';

/** Few, so that requests meet; with what paths, queries, XML and listings have to escape. */
const KEYS: readonly string[] = [
  ...['k', 'k2', 'a/b', 'a/c/d', 'a b+ü%.txt', 'x//y', 'z&<>"\'', 'q?x=1', 'dir/', 'e%2Ff', '日本', 'l'.repeat(900)],
  ...['..', 'up/../over', 'dot/./t', '//lead', 'a/../../b', 'tail//'],
];

/** MinIO keeps keys as paths of files: no empty segments, none that are `.` or `..`, none over 255 bytes. */
const AS_PATHS: readonly string[] = KEYS.filter((key) => !/(^|\/)(\.{0,2})(\/|$)/.test(key) && key.length < 256);

/** `undefined`: not possible now. */
type Maker = (model: Model) => TwinRequest | readonly Step[] | undefined;

const MAKERS: readonly (readonly [number, Maker])[] = [
  [20, putObject],
  [26, readObject],
  [6, deleteObject],
  [2, deleteObjects],
  [8, copyObject],
  [4, attributesOf],
  [4, tagging],
  [2, spoiltPut],
  [3, listV1],
  [5, listV2],
  [3, listVersions],
  [1, pages],
  [3, astray],
  [4, createUpload],
  [9, uploadPart],
  [3, uploadPartCopy],
  [3, listParts],
  [6, completeUpload],
  [2, abortUpload],
  [1, listUploads],
  [3, (model) => atOnce(race(model))],
];

const atOnce = (requests: readonly TwinRequest[] | undefined): readonly Step[] | undefined =>
  requests === undefined ? undefined : [requests];

/** Steps of one sequence. */
const STEPS = 60;
/** At the start of a sequence, so that the rest finds something. */
const PUTS_FIRST = 4;

export function randomSequence(seed: number, store: StoreName): Sequence {
  const dice = new Dice(seed);
  const versioning = dice.weighted<Versioning>([
    [60, undefined],
    [30, 'Enabled'],
    [10, 'Suspended'],
  ]);
  const possible = store === 'minio' ? AS_PATHS : KEYS;
  const keys = possible.filter(() => dice.percent(45));
  const model = new Model({ store, dice, versioning, keys: keys.length < 2 ? possible.slice(0, 4) : keys });
  const steps: Step[] = Array.from({ length: PUTS_FIRST }, () => putObject(model));
  while (steps.length < STEPS) {
    const made = dice.weighted(MAKERS)(model);
    if (made === undefined) continue;
    steps.push(...('method' in made ? [made] : made));
  }
  return { name: `random ${seed}`, ...(versioning === undefined ? {} : { bucket: { versioning } }), steps };
}
