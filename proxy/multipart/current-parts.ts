/**
 * The parts of an upload as its client sees them: acknowledged by a receipt, and still held by the backend. Of a part that was
 * sent again, the latest attempt counts. A receipt whose part the backend has replaced does not count, so a stale ETag is
 * InvalidPart on every replica.
 */

import { type BackendUpload, backendUpload } from './backend-parts.ts';
import { type Receipt, readReceipts } from './receipts.ts';
import type { UploadRecord } from './upload.ts';
import type { UploadContext } from './upload-context.ts';

export interface CurrentPart extends Receipt {
  readonly lastModified: Date;
}

export interface UploadView {
  /** By ascending number. */
  readonly parts: readonly CurrentPart[];
  readonly backend: BackendUpload;
  /** Names of everything kept for the upload in the state bucket. */
  readonly stateNames: readonly string[];
}

/** @throws S3Error NoSuchUpload */
export async function viewUpload(context: UploadContext, record: UploadRecord): Promise<UploadView> {
  const [backend, state] = await Promise.all([backendUpload(context, record), readReceipts(context, record)]);
  const staged = new Set(state.names);
  const latest = new Map<number, CurrentPart>();
  for (const receipt of state.receipts) {
    const known = latest.get(receipt.number);
    if (known !== undefined && known.time >= receipt.time) continue;
    const lastModified = presentSince(receipt, backend, staged);
    if (lastModified !== undefined) latest.set(receipt.number, { ...receipt, lastModified });
  }
  const parts = [...latest.values()].sort((a, b) => a.number - b.number);
  return { parts, backend, stateNames: state.names };
}

function presentSince(receipt: Receipt, backend: BackendUpload, staged: ReadonlySet<string>): Date | undefined {
  const { place } = receipt;
  if (place.kind === 'staged') return staged.has(place.name) ? new Date(receipt.time) : undefined;
  const part = backend.parts.get(receipt.number);
  return part !== undefined && part.etag === place.etag ? part.lastModified : undefined;
}
