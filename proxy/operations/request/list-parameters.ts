/** Query parameters that all listings share: what goes on to the store, the encoding of names, the size of a page. */
import type { QueryParameter } from '../../backend/backend.ts';
import { S3Error } from '../../errors.ts';
import type { S3Request } from '../../http/request.ts';
import { encodeListed } from '../../object/list-encoding.ts';

/** The named parameters that the client gave, empty ones left out. */
export function forwarded(request: S3Request, names: readonly string[]): QueryParameter[] {
  return names.flatMap((name): QueryParameter[] => {
    const value = request.query.get(name);
    return value === undefined || value === '' ? [] : [[name, value]];
  });
}

export function encodedParameter(request: S3Request, name: string, encode: boolean): string | undefined {
  const value = request.query.get(name);
  return value === undefined || value === '' ? undefined : encodeListed(value, { encode });
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
