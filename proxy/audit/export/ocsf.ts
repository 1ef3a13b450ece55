/** An event as OCSF's API Activity (class 6003, category 6, schema 1.3.0). */
import type { CloudTrailRecord } from './cloudtrail-record.ts';

const CLASS = 6003;
const READ = 2;
/** By what an operation's name begins with. */
const ACTIVITIES: readonly (readonly [RegExp, number, string])[] = [
  [/^(Create|Put|Post|Upload|Copy|Complete|Issue)|(Created|Issued|Begun)$/, 1, 'Create'],
  [/^(Update|Restore|Set)|(Changed|Renamed|Rotated|Reissued)$/, 3, 'Update'],
  [/^(Delete|Abort)|(Deleted|Revoked|Removed|Retired|Pruned)$/, 4, 'Delete'],
];

export function ocsfEvent(record: CloudTrailRecord): object {
  const { userIdentity, sealgate, errorCode, requestID } = record;
  const [activityId, activity] = activityOf(record);
  const isDenied = sealgate.decision === 'deny' || record.eventName === 'SignatureRefused';
  const isFailure = errorCode !== undefined || isDenied;
  return {
    activity_id: activityId,
    activity_name: activity,
    actor: {
      user: {
        ...(userIdentity.userName !== undefined && { name: userIdentity.userName }),
        ...(userIdentity.principalId !== undefined && { uid: userIdentity.principalId }),
        ...(userIdentity.accessKeyId !== undefined && { credential_uid: userIdentity.accessKeyId }),
        type: userIdentity.type,
      },
    },
    api: {
      operation: record.eventName,
      service: { name: record.eventSource },
      ...(requestID !== undefined && { request: { uid: requestID } }),
      ...(errorCode !== undefined && { response: { error: errorCode } }),
    },
    category_name: 'Application Activity',
    category_uid: 6,
    class_name: 'API Activity',
    class_uid: CLASS,
    cloud: { provider: 'Sealgate', region: record.awsRegion },
    http_request: { user_agent: record.userAgent },
    ...(record.serviceEventDetails !== undefined && { message: record.serviceEventDetails.detail }),
    metadata: {
      product: { name: 'Sealgate', vendor_name: 'Sealgate' },
      profiles: ['cloud'],
      uid: record.eventID,
      version: '1.3.0',
    },
    resources: (record.resources ?? []).map(({ ARN, type }) => ({ uid: ARN, ...(type !== undefined && { type }) })),
    severity: isDenied ? 'Low' : 'Informational',
    severity_id: isDenied ? 2 : 1,
    src_endpoint: addressOf(record.sourceIPAddress),
    status: isFailure ? 'Failure' : 'Success',
    status_id: isFailure ? 2 : 1,
    ...(errorCode !== undefined && { status_code: errorCode }),
    time: Date.parse(record.eventTime),
    type_name: `API Activity: ${activity}`,
    type_uid: 100 * CLASS + activityId,
    unmapped: {
      sealgate,
      requestParameters: record.requestParameters,
      additionalEventData: record.additionalEventData,
    },
  };
}

function activityOf({ eventName, readOnly }: CloudTrailRecord): readonly [number, string] {
  if (readOnly) return [READ, 'Read'];
  const found = ACTIVITIES.find(([pattern]) => pattern.test(eventName));
  return found === undefined ? [99, 'Other'] : [found[1], found[2]];
}

/** What no client asked for has no address. */
function addressOf(sourceIPAddress: string): object {
  return sourceIPAddress === 'sealgate' ? { name: 'sealgate' } : { ip: sourceIPAddress };
}
