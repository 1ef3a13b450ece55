/**
 * Every change of the index, by name. The writer thread runs them; other threads know only their types. A mutation throws
 * S3Error to refuse; whatever it wrote is then rolled back, and the others of its group stand.
 */
import { createBucket, deleteBucket, setBucketTags, setDocument, setVersioning } from './buckets.ts';
import { completeUpload } from './complete-upload.ts';
import { copyObject } from './copy-object.ts';
import { setLegalHold, setRetention } from './locks.ts';
import { deleteObject, deleteObjects, putObject, setObjectTags } from './objects.ts';
import { forgetGarbage, pin, unpin } from './pins.ts';
import { setBucketSettings, setObjectLock } from './settings.ts';
import { abortUpload, createUpload, putPart, sharePart } from './uploads.ts';

export const MUTATIONS = {
  abortUpload,
  completeUpload,
  copyObject,
  createBucket,
  createUpload,
  deleteBucket,
  deleteObject,
  deleteObjects,
  forgetGarbage,
  pin,
  putObject,
  putPart,
  setBucketSettings,
  setBucketTags,
  setDocument,
  setLegalHold,
  setObjectLock,
  setObjectTags,
  setRetention,
  setVersioning,
  sharePart,
  unpin,
};

export type MutationName = keyof typeof MUTATIONS;
export type MutationArguments<Name extends MutationName> = Parameters<(typeof MUTATIONS)[Name]>[1];
export type MutationResult<Name extends MutationName> = ReturnType<(typeof MUTATIONS)[Name]>;
