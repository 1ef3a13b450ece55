/** `response-*`: query parameters of a GET that replace headers of its reply (S3 API reference, GetObject). */
import { toHeaderValue } from '../../http/header-text.ts';
import type { S3Request } from '../../http/request.ts';
import type { HeaderOverrides } from '../../object/reply-headers.ts';

/** Each with the header that it replaces. */
export const RESPONSE_OVERRIDES = {
  'response-cache-control': 'cache-control',
  'response-content-disposition': 'content-disposition',
  'response-content-encoding': 'content-encoding',
  'response-content-language': 'content-language',
  'response-content-type': 'content-type',
  'response-expires': 'expires',
} as const;

/**
 * Headers that the client asked for by `response-*`.
 * @throws S3Error InvalidArgument for what no header can hold
 */
export function responseOverrides(request: S3Request): HeaderOverrides {
  const headers: Record<string, string> = {};
  for (const [parameter, name] of Object.entries(RESPONSE_OVERRIDES)) {
    const value = request.query.get(parameter);
    if (value === undefined) continue;
    headers[name] = toHeaderValue(parameter, value);
  }
  return headers;
}
