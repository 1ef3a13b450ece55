/** Whether the store would have to fetch an object from an archive before it can be read or copied. */
import type { BackendHeaders } from './stored-metadata.ts';

/** From the headers of a HEAD. */
export function isArchived(headers: BackendHeaders): boolean {
  const isCold = /^(GLACIER|DEEP_ARCHIVE)$/.test(headers['x-amz-storage-class'] ?? '');
  const isRestored = headers['x-amz-restore']?.includes('ongoing-request="false"') === true;
  return headers['x-amz-archive-status'] !== undefined || (isCold && !isRestored);
}
