/**
 * What a job says of each object, in two forms: JSON lines, and CSV with the columns of Amazon S3 Batch Operations' completion
 * reports, so that tools for those read it. Pieces of both lie in the state bucket beside the job's record. A report names objects
 * and says what became of them. It holds no digest, no content and no metadata of an object.
 *
 * Source: Amazon S3 user guide, "Tracking job status and completion reports".
 */
import { failureText } from '../backend/trouble/explain-store-failure.ts';
import { S3Error } from '../errors.ts';
import { encodeListed } from '../object/list-encoding.ts';
import { isOutage } from './patience.ts';

export interface ReportRow {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | undefined;
  /** What became of the object, in the words of the job's kind. */
  readonly state: string;
  /** Whether the job did with the object what it was to do. */
  readonly succeeded: boolean;
  /** Of what stands against it; '' when nothing does. */
  readonly errorCode: string;
  readonly httpStatus: number;
  readonly message: string;
  /** Bytes of plaintext that were read. */
  readonly bytes: number;
  /** When the object was written, where that is part of what is said of it. */
  readonly written?: Date;
}

/** Of an object that the store does not give. */
export function failedRow(of: Pick<ReportRow, 'bucket' | 'key' | 'versionId'>, error: Error): ReportRow {
  const { bucket, key, versionId } = of;
  const [errorCode, httpStatus] = error instanceof S3Error ? [error.code, error.status] : ['ServiceUnavailable', 503];
  const message = isOutage(error) ? failureText(error) : error.message;
  return { bucket, key, versionId, state: 'failed', succeeded: false, errorCode, httpStatus, message, bytes: 0 };
}

export const CSV_COLUMNS = 'Bucket,Key,VersionId,TaskStatus,ErrorCode,HTTPStatusCode,ResultMessage';

export function jsonLine(row: ReportRow): string {
  const { bucket, key, versionId = null, state, succeeded, errorCode, httpStatus, message, bytes } = row;
  return `${JSON.stringify({ bucket, key, versionId, state, succeeded, errorCode, httpStatus, message, bytes })}\n`;
}

/** The key is percent-encoded, as in Amazon's own reports. */
export function csvLine(row: ReportRow): string {
  const fields = [
    row.bucket,
    encodeListed(row.key, { encode: true }),
    row.versionId ?? '',
    row.succeeded ? 'succeeded' : 'failed',
    row.errorCode,
    String(row.httpStatus),
    `${row.state}${row.message === '' ? '' : `: ${row.message}`}`,
  ];
  return `${fields.map(quoted).join(',')}\n`;
}

/** RFC 4180. */
function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
