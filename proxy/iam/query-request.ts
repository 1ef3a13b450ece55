/**
 * A request of AWS's query protocol: an action and its parameters as one form, posted to `/` and signed for a service other
 * than S3 (Smithy specification, "AWS Query protocol"). What a request is for is told by the service that its credential
 * names; everything else about it is checked here and in authenticate-query.ts.
 */
import { createHash } from 'node:crypto';
import { S3Error } from '../errors.ts';
import type { S3Request } from '../http/request.ts';
import { HEAD_TIMEOUT_MS } from '../limits.ts';
import { MAX_QUERY_BODY_BYTES, MAX_QUERY_PARAMETERS } from '../session-limits.ts';
import { QueryError } from './errors.ts';

export type QueryService = 'iam' | 'sts';

export const VERSIONS: Readonly<Record<QueryService, string>> = { iam: '2010-05-08', sts: '2011-06-15' };

export interface QueryBody {
  /** By name; each is there once. `Action` and `Version` are among them. */
  readonly parameters: ReadonlyMap<string, string>;
  /** SHA-256 of the body as received, hex. */
  readonly sha256: string;
}

const FORM = /^application\/x-www-form-urlencoded *(;|$)/i;

const CREDENTIAL = 'Credential=';

/** The service that a request to the endpoint itself claims to be signed for, when it is not S3. Nothing is verified yet. */
export function queryServiceOf(request: S3Request): QueryService | undefined {
  if (request.path !== '/' || request.bucket !== undefined) return undefined;
  if (isUnsignedForm(request)) return 'sts';
  const authorization = request.header('authorization') ?? '';
  const credential = authorization.indexOf(CREDENTIAL);
  if (credential < 0) return undefined;
  const [, , , named] = authorization.slice(credential + CREDENTIAL.length).split('/', 5);
  return named === 'iam' || named === 'sts' ? named : undefined;
}

/** AssumeRoleWithWebIdentity has no signature: a token stands in the form. Only the form: a URL would be logged on its way. */
function isUnsignedForm(request: S3Request): boolean {
  if (request.header('authorization') !== undefined || request.method !== 'POST') return false;
  return !request.query.has('X-Amz-Signature') && FORM.test(request.header('content-type') ?? '');
}

/**
 * Reads the form. Its sender is not known yet, so it is short and has as long to arrive as a request's head.
 * @throws QueryError for another shape; S3Error IncompleteBody, RequestTimeout
 */
export async function readQueryBody(request: S3Request, source: AsyncIterable<Buffer>): Promise<QueryBody> {
  if (request.method !== 'POST') throw new QueryError('InvalidAction', 'Actions are sent with POST.');
  if (request.rawQuery !== '')
    throw new QueryError('InvalidQueryParameter', 'Parameters stand in the body, none in the URL.');
  if (!FORM.test(request.header('content-type') ?? '')) {
    throw new QueryError('InvalidParameterValue', 'The Content-Type must be application/x-www-form-urlencoded.');
  }
  if (request.header('content-encoding') !== undefined) {
    throw new QueryError('InvalidParameterValue', 'An encoded body is not accepted.');
  }
  if (Number(request.header('content-length') ?? 0) > MAX_QUERY_BODY_BYTES) throw tooLong();
  const body = await collect(source);
  return { parameters: parseParameters(body), sha256: createHash('sha256').update(body).digest('hex') };
}

async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new S3Error('RequestTimeout')), HEAD_TIMEOUT_MS);
  const iterator = source[Symbol.asyncIterator]();
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const step = await Promise.race([iterator.next(), late.promise]);
      if (step.done === true) return Buffer.concat(pieces);
      bytes += step.value.length;
      if (bytes > MAX_QUERY_BODY_BYTES) throw tooLong();
      pieces.push(step.value);
    }
  } finally {
    clearTimeout(timer);
    // Not awaited: a source that is waiting for bytes answers only when they come.
    void iterator.return?.()?.catch(() => undefined);
  }
}

function parseParameters(body: Buffer): ReadonlyMap<string, string> {
  let pairs: URLSearchParams;
  try {
    pairs = new URLSearchParams(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (cause) {
    throw new QueryError('InvalidParameterValue', 'The body is not UTF-8.', { cause });
  }
  if (pairs.size > MAX_QUERY_PARAMETERS)
    throw new QueryError('InvalidParameterValue', 'There are too many parameters.');
  const parameters = new Map<string, string>();
  for (const [name, value] of pairs) {
    if (parameters.has(name))
      throw new QueryError('InvalidParameterCombination', 'A parameter is given more than once.');
    parameters.set(name, value);
  }
  return parameters;
}

function tooLong(): QueryError {
  return new QueryError('InvalidParameterValue', `The body has more than ${MAX_QUERY_BODY_BYTES} bytes.`);
}
