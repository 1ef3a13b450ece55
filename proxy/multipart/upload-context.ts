/** The store as multipart uploads use it: with the state bucket, which holds records and receipts of uploads in progress. */
import type { StateStore } from '../keyring/state/state.ts';
import type { ObjectStore, StoreContext } from '../object/context.ts';
import type { UploadCache } from './upload-cache.ts';

export interface UploadStore extends ObjectStore {
  readonly state: StateStore;
  /** Opened records of multipart uploads. */
  readonly uploads: UploadCache;
}

export type UploadContext = StoreContext<UploadStore>;
