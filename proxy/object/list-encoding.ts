/** `encoding-type=url` as S3 writes it: UTF-8 percent-encoded but for A-Z a-z 0-9 - _ . * and '/', a space as '+'. */
import { S3Error } from '../errors.ts';
import type { S3Request } from '../http/request.ts';

export function encodeListed(text: string, o: { encode: boolean }): string {
  if (!o.encode) return text;
  return encodeURIComponent(text)
    .replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
    .replaceAll('%2F', '/');
}

/** Whether the client asked for encoded names. @throws S3Error InvalidArgument */
export function wantsEncoding(request: S3Request): boolean {
  const type = request.query.get('encoding-type');
  if (type === undefined || type === '') return false;
  if (type.toLowerCase() === 'url') return true;
  throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request', {
    details: { ArgumentName: 'encoding-type', ArgumentValue: type },
  });
}

/** A page size such as max-keys: at most `ceiling`, which is also the default. @throws S3Error InvalidArgument */
export function pageSize(request: S3Request, name: string, ceiling: number): number {
  const text = request.query.get(name);
  if (text === undefined || text === '') return ceiling;
  const number = /^-?\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isInteger(number) || number < 0 || number > 2 ** 31 - 1) {
    throw new S3Error('InvalidArgument', `Argument ${name} must be an integer between 0 and 2147483647`, {
      details: { ArgumentName: name, ArgumentValue: text },
    });
  }
  return Math.min(number, ceiling);
}
