/** Where blob files lie: `blobs/<first two characters of the name>/<name>`, so that no directory grows too long. */
import { join } from 'node:path';

export function blobPath(directory: string, file: string): string {
  return join(blobFolder(directory, file), file);
}

/** The file while its bytes are being written, beside its final place, so that the rename stays in one directory. */
export function partialPath(directory: string, file: string): string {
  return `${blobPath(directory, file)}.partial`;
}

export function blobFolder(directory: string, file: string): string {
  return join(directory, 'blobs', file.slice(0, 2));
}
