/**
 * Requests from browsers: the unauthenticated preflight, answered from the bucket's rules alone, and the headers that let a
 * page read the reply to the request itself, errors included. S3 API reference, "OPTIONS object".
 */
import { S3Error } from '../errors.ts';
import type { Reply } from '../http/reply.ts';
import type { S3Request } from '../http/request.ts';
import type { CorsConfigurations } from './configurations.ts';
import { corsHeaders } from './rules.ts';

const VARY = 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method';

/** @throws S3Error BadRequest, AccessForbidden */
export async function answerPreflight(cors: CorsConfigurations, request: S3Request): Promise<Reply> {
  const origin = request.header('origin');
  const method = request.header('access-control-request-method');
  if (origin === undefined || origin === '') {
    throw new S3Error('BadRequest', 'Insufficient information. Origin request header needed.');
  }
  if (method === undefined || !['GET', 'PUT', 'POST', 'DELETE', 'HEAD'].includes(method)) {
    throw new S3Error('BadRequest', 'Invalid Access-Control-Request-Method.');
  }
  const rules = request.bucket === undefined ? [] : await cors.rules(request.bucket);
  if (rules.length === 0) throw forbidden(request, method, 'CORSResponse: CORS is not enabled for this bucket.');
  const headers = corsHeaders(rules, { origin, method, headers: announcedHeaders(request) });
  if (headers !== undefined) return { status: 200, headers: { ...headers, Vary: VARY } };
  throw forbidden(
    request,
    method,
    "CORSResponse: This CORS request is not allowed: no rule of the bucket's CORS configuration allows this origin, method and these headers.",
  );
}

type Headers = Readonly<Record<string, string>>;

/** Headers to add to the reply to any other request; none when it does not come from a page, or no rule allows it. */
export function crossOriginHeaders(
  cors: CorsConfigurations,
  request: S3Request | undefined,
): Promise<Headers | undefined> | undefined {
  const origin = request?.header('origin');
  if (request?.bucket === undefined || origin === undefined || request.method === 'OPTIONS') return undefined;
  return headersFor(cors, { bucket: request.bucket, origin, method: request.method });
}

async function headersFor(
  cors: CorsConfigurations,
  { bucket, origin, method }: { bucket: string; origin: string; method: string },
): Promise<Headers | undefined> {
  try {
    const headers = corsHeaders(await cors.rules(bucket), { origin, method, headers: [] });
    return headers === undefined ? undefined : { ...headers, Vary: VARY };
  } catch {
    // The reply does not depend on the rules. Without them a page only cannot read it.
    return undefined;
  }
}

function announcedHeaders(request: S3Request): readonly string[] {
  const names = request.header('access-control-request-headers')?.split(',') ?? [];
  return names.map((name) => name.trim().toLowerCase()).filter((name) => name !== '');
}

function forbidden(request: S3Request, method: string, message: string): S3Error {
  const type = request.key === undefined ? 'BUCKET' : 'OBJECT';
  return new S3Error('AccessForbidden', message, { details: { Method: method, ResourceType: type } });
}
