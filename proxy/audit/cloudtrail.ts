/**
 * Events as CloudTrail writes them (CloudTrail user guide, "CloudTrail record contents", eventVersion 1.11), so that what reads
 * CloudTrail reads them. What CloudTrail has no place for stands under `sealgate`. Never a secret, a token, a query string or a whole
 * access key id.
 */
import { randomUUID } from 'node:crypto';
import { ACCOUNT } from '../access/resource.ts';
import type { DecisionEvent, SecurityEvent } from '../observe/events.ts';

/** Who acts when no request does: a server itself, or somebody at the command line. */
export interface Actor {
  readonly agent: string;
  /** `user@host`; of a server its host. */
  readonly operator: string;
}

/** What the request of an event said, and what it came to. */
export interface AnsweredRequest {
  /** Absent when it is not known. */
  readonly client: string | undefined;
  readonly agent: string | undefined;
  readonly host: string | undefined;
  readonly versionId: string | undefined;
  readonly tls: string | undefined;
  readonly cipher: string | undefined;
  readonly authentication: 'AuthHeader' | 'QueryString' | undefined;
  readonly session: SessionIdentity | undefined;
  readonly bytesIn: number;
  /** Content-Length of the reply. */
  readonly bytesOut: number;
  /** Of the error that the client was sent. */
  readonly code: string | undefined;
  readonly durationMs: number;
}

export interface SessionIdentity {
  /** Fingerprint of the access key id. */
  readonly id: string;
  readonly name?: string | undefined;
  readonly role?: string | undefined;
  readonly issuer?: string | undefined;
  readonly subject?: string | undefined;
}

/** Characters of a JSON document. */
export function recordLine(
  event: SecurityEvent | DecisionEvent,
  o: { time: string; region: string; actor: Actor; request?: AnsweredRequest | undefined },
): string {
  return JSON.stringify('decision' in event ? decisionRecord(event, o) : otherRecord(event, o));
}

type Of = Parameters<typeof recordLine>[1];

function decisionRecord(event: DecisionEvent, o: Of): object {
  const { action, bucket, key, resource } = event;
  const isManagement = key === undefined && !action.startsWith('s3:ListBucket');
  return {
    ...common(event, o),
    eventSource: `${action.slice(0, action.indexOf(':'))}.amazonaws.com`,
    eventName: event.eventName,
    ...errorOf(event.decision === 'deny' ? 'AccessDenied' : o.request?.code),
    requestParameters: {
      ...(bucket !== undefined && { bucketName: bucket }),
      ...(key !== undefined && { key }),
      ...(o.request?.versionId !== undefined && { versionId: o.request.versionId }),
      ...(o.request?.host !== undefined && { Host: o.request.host }),
    },
    readOnly: event.readOnly,
    resources: resourcesOf(event, resource),
    eventType: 'AwsApiCall',
    managementEvent: isManagement,
    eventCategory: isManagement ? 'Management' : 'Data',
    sealgate: {
      tenant: event.tenant,
      slot: event.slot,
      ...(o.request?.session !== undefined && { session: o.request.session }),
      action,
      decision: event.decision,
      statement: event.statement,
      ...(o.request !== undefined && { durationMs: o.request.durationMs }),
    },
  };
}

/** What is no decision about a request: changes, and what servers notice. */
function otherRecord(event: SecurityEvent, o: Of): object {
  const { kind, detail, bucket, key, tenant, method, path } = event;
  const named = bucket !== undefined || key !== undefined || method !== undefined;
  return {
    ...common(event, o),
    eventSource: 'sealgate',
    eventName: nameOf(kind),
    ...errorOf(o.request?.code),
    requestParameters: named
      ? {
          ...(bucket !== undefined && { bucketName: bucket }),
          ...(key !== undefined && { key }),
          ...(method !== undefined && { method }),
          ...(path !== undefined && { path }),
        }
      : null,
    readOnly: false,
    resources: bucket === undefined ? [] : resourcesOf({ bucket, key }, ''),
    eventType: 'AwsServiceEvent',
    managementEvent: true,
    eventCategory: 'Management',
    serviceEventDetails: { detail },
    sealgate: {
      kind,
      ...(tenant !== undefined && { tenant }),
      ...(o.request === undefined ? { operator: o.actor.operator } : { durationMs: o.request.durationMs }),
    },
  };
}

function common(event: SecurityEvent | DecisionEvent, { time, region, request, actor }: Of): object {
  const { tenant, accessKey, requestId } = event;
  const slot = 'slot' in event ? event.slot : undefined;
  return {
    eventVersion: '1.11',
    userIdentity: identityOf({ tenant, slot, accessKey, isSession: request?.session !== undefined }),
    eventTime: time,
    awsRegion: region,
    sourceIPAddress: event.sourceIPAddress ?? request?.client ?? 'sealgate',
    userAgent: request === undefined ? actor.agent : (request.agent ?? ''),
    responseElements: null,
    ...(request !== undefined && { additionalEventData: additional(request) }),
    ...(requestId !== undefined && { requestID: requestId }),
    eventID: randomUUID(),
    recipientAccountId: ACCOUNT,
    ...(request?.tls !== undefined && {
      tlsDetails: { tlsVersion: request.tls, cipherSuite: request.cipher, clientProvidedHostHeader: request.host },
    }),
  };
}

function additional({ bytesIn, bytesOut, authentication }: AnsweredRequest): object {
  return {
    bytesTransferredIn: bytesIn,
    bytesTransferredOut: bytesOut,
    ...(authentication !== undefined && { AuthenticationMethod: authentication, SignatureVersion: 'SigV4' }),
  };
}

function identityOf(o: {
  tenant: string | undefined;
  slot: string | undefined;
  accessKey: string | undefined;
  isSession: boolean;
}): object {
  const { tenant, slot, accessKey } = o;
  if (tenant === undefined) return { type: 'Unknown' };
  return {
    type: o.isSession ? 'AssumedRole' : 'IAMUser',
    principalId: slot === undefined || slot === '' ? tenant : `${tenant}:${slot}`,
    accountId: ACCOUNT,
    userName: tenant,
    // A fingerprint: the id itself may open the tenant to whoever has the seal keys.
    ...(accessKey !== undefined && accessKey !== '' && { accessKeyId: accessKey }),
  };
}

function errorOf(code: string | undefined): object {
  return code === undefined ? {} : { errorCode: code };
}

function resourcesOf(
  { bucket, key }: { bucket?: string | undefined; key?: string | undefined },
  arn: string,
): object[] {
  if (bucket === undefined) return [{ ARN: arn }];
  const ofBucket = { type: 'AWS::S3::Bucket', ARN: `arn:aws:s3:::${bucket}` };
  return key === undefined ? [ofBucket] : [{ type: 'AWS::S3::Object', ARN: `arn:aws:s3:::${bucket}/${key}` }, ofBucket];
}

/** `key-created`: `KeyCreated`. */
function nameOf(kind: string): string {
  return kind.replaceAll(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
