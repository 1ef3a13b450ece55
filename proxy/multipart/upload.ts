/** A multipart upload in progress: as clients name it, and as its record describes it. */
import type { DataKey } from '../../crypto/data-key.ts';
import type { ChecksumName } from '../body/checksums.ts';
import type { ClientAttributes } from '../object/client-attributes.ts';

/** The checksum that the finished object is to have. */
export interface UploadChecksum {
  readonly algorithm: ChecksumName;
  readonly type: 'FULL_OBJECT' | 'COMPOSITE';
}

/** An upload as clients name it. */
export interface UploadAddress {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
}

export interface UploadRecord extends UploadAddress, DataKey {
  /** Where its state is: SHA-256 of the address, 64 hex digits. */
  readonly id: string;
  readonly attributes: ClientAttributes;
  /** The attributes did not fit the metadata: they go into the footer. */
  readonly attributesInFooter: boolean;
  readonly checksum: UploadChecksum | undefined;
}
