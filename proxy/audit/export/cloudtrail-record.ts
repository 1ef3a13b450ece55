/** An event as it is read back: the members that other formats are made of. Whatever else a record has stays in it. */
export interface CloudTrailRecord {
  readonly eventTime: string;
  readonly eventID: string;
  readonly eventName: string;
  readonly eventSource: string;
  readonly awsRegion: string;
  readonly sourceIPAddress: string;
  readonly userAgent: string;
  readonly readOnly: boolean;
  readonly errorCode?: string;
  readonly requestID?: string;
  readonly userIdentity: {
    readonly type: string;
    readonly principalId?: string;
    readonly userName?: string;
    readonly accessKeyId?: string;
  };
  readonly requestParameters: Readonly<Record<string, string>> | null;
  readonly additionalEventData?: { readonly bytesTransferredIn?: number; readonly bytesTransferredOut?: number };
  readonly resources?: readonly { readonly ARN: string; readonly type?: string }[];
  readonly serviceEventDetails?: { readonly detail: string };
  readonly sealgate: {
    readonly tenant?: string;
    readonly slot?: string;
    readonly action?: string;
    readonly decision?: string;
    readonly statement?: string;
    readonly durationMs?: number;
    readonly kind?: string;
  };
}
