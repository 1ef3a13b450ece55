/**
 * What conditions of a policy can ask about a request. A key is computed when a condition asks for it, and most requests
 * meet none that does. Names are IAM's where IAM has the key; those of `sealgate:` are this program's own.
 */
export type ContextKey =
  /** Every listing has `s3:prefix`, '' without the parameter; nothing else has it. */
  | PolicyKey
  /** The tenant of the caller, as IAM's variable for the user who asks. */
  | 'aws:username'
  /** Of a change of a key: `within` when that key reaches no further than the caller's, else `beyond`. */
  | 'sealgate:KeyReach';

/**
 * What a policy may name (IAM user guide, "AWS global condition context keys"; service authorization reference, "Condition keys
 * for Amazon S3"). Numbers are in decimal, times in ISO 8601, booleans `true` and `false`. Tags in lower case.
 */
export type PolicyKey =
  | 'aws:CurrentTime'
  | 'aws:EpochTime'
  | 'aws:SecureTransport'
  | 'aws:SourceIp'
  | 'aws:TokenIssueTime'
  | 'aws:UserAgent'
  | 'aws:userid'
  | 's3:authType'
  | 's3:delimiter'
  | 's3:max-keys'
  | 's3:prefix'
  | 's3:signatureAge'
  | 's3:VersionId'
  | `aws:PrincipalTag/${string}`;

export interface Context {
  /** `undefined`: the request has no such key. */
  get(key: ContextKey): string | undefined;
}

export type ContextValues = Partial<Record<ContextKey, () => string | undefined>>;

export function contextOf(values: ContextValues): Context {
  return { get: (key) => values[key]?.() };
}
