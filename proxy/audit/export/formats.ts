/**
 * The forms of an export. `cloudtrail`: a log file of CloudTrail's, `{"Records":[...]}`, one record a line. `ocsf`: one event of class
 * 6003 (API Activity) a line, as the Open Cybersecurity Schema Framework 1.3 has it. `csv`: RFC 4180, with a line of names.
 */
import type { CloudTrailRecord } from './cloudtrail-record.ts';
import { ocsfEvent } from './ocsf.ts';

export interface ExportFormat {
  readonly head: string;
  /** `isFirst`: of the export. */
  readonly event: (record: CloudTrailRecord, isFirst: boolean) => string;
  readonly tail: string;
}

type Column = (record: CloudTrailRecord) => string | number | boolean | undefined;

const COLUMNS: Readonly<Record<string, Column>> = {
  eventTime: ({ eventTime }) => eventTime,
  eventName: ({ eventName }) => eventName,
  eventSource: ({ eventSource }) => eventSource,
  tenant: ({ sealgate }) => sealgate.tenant,
  slot: ({ sealgate }) => sealgate.slot,
  accessKeyId: ({ userIdentity }) => userIdentity.accessKeyId,
  action: ({ sealgate }) => sealgate.action,
  decision: ({ sealgate }) => sealgate.decision,
  statement: ({ sealgate }) => sealgate.statement,
  errorCode: ({ errorCode }) => errorCode,
  bucketName: ({ requestParameters }) => requestParameters?.['bucketName'],
  key: ({ requestParameters }) => requestParameters?.['key'],
  versionId: ({ requestParameters }) => requestParameters?.['versionId'],
  bytesTransferredIn: ({ additionalEventData }) => additionalEventData?.bytesTransferredIn,
  bytesTransferredOut: ({ additionalEventData }) => additionalEventData?.bytesTransferredOut,
  durationMs: ({ sealgate }) => sealgate.durationMs,
  readOnly: ({ readOnly }) => readOnly,
  sourceIPAddress: ({ sourceIPAddress }) => sourceIPAddress,
  userAgent: ({ userAgent }) => userAgent,
  requestID: ({ requestID }) => requestID,
  eventID: ({ eventID }) => eventID,
  detail: ({ serviceEventDetails }) => serviceEventDetails?.detail,
};

export const EXPORT_FORMATS: Readonly<Record<string, ExportFormat>> = {
  cloudtrail: {
    head: '{"Records":[\n',
    event: (record, isFirst) => `${isFirst ? '' : ',\n'}${JSON.stringify(record)}`,
    tail: '\n]}\n',
  },
  ocsf: { head: '', event: (record) => `${JSON.stringify(ocsfEvent(record))}\n`, tail: '' },
  csv: { head: `${Object.keys(COLUMNS).join(',')}\r\n`, event: (record) => `${csvRow(record)}\r\n`, tail: '' },
};

function csvRow(record: CloudTrailRecord): string {
  return Object.values(COLUMNS)
    .map((column) => csvField(String(column(record) ?? '')))
    .join(',');
}

/** A field that a spreadsheet would take for a formula is made a text: keys and agents come from clients. */
function csvField(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
