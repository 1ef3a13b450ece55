/**
 * Browser form uploads by hand: a policy, its signature, and multipart/form-data in any order of fields, written from the AWS
 * documentation ("Authenticating requests: browser-based uploads using POST") and RFC 7578.
 */
import { createHmac } from 'node:crypto';
import type { SigningCredentials } from './raw-client.ts';

export type FormField = readonly [name: string, value: string | Buffer];

export type PolicyCondition =
  | Readonly<Record<string, string>>
  | readonly [operator: string, field: string | number, value: string | number];

export interface FormOptions {
  readonly bucket: string;
  readonly fields: Readonly<Record<string, string>>;
  /** Replaces the conditions that name every field. */
  readonly conditions?: readonly PolicyCondition[];
  /** Beside those that name every field. */
  readonly further?: readonly PolicyCondition[];
  readonly expiration?: string;
  readonly date?: Date;
  readonly region?: string;
  readonly service?: string;
}

const basic = (date: Date): string => date.toISOString().replace(/[-:]|\.\d{3}/g, '');

/** The fields of a form with a signed policy, without its file. */
export function signedFields(credentials: SigningCredentials, o: FormOptions): Record<string, string> {
  const date = o.date ?? new Date();
  const scope = `${basic(date).slice(0, 8)}/${o.region ?? 'us-east-1'}/${o.service ?? 's3'}/aws4_request`;
  const fields = {
    ...o.fields,
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${credentials.accessKeyId}/${scope}`,
    'x-amz-date': basic(date),
  };
  const every = Object.entries({ bucket: o.bucket, ...fields }).map(([name, value]) => ({ [name]: value }));
  const conditions = o.conditions ?? [...every, ...(o.further ?? [])];
  const expiration = o.expiration ?? new Date(date.getTime() + 600_000).toISOString();
  const policy = Buffer.from(JSON.stringify({ expiration, conditions })).toString('base64');
  const key = scope
    .split('/')
    .reduce<Buffer | string>(
      (from, word) => createHmac('sha256', from).update(word).digest(),
      `AWS4${credentials.secretAccessKey}`,
    );
  return { ...fields, policy, 'x-amz-signature': createHmac('sha256', key).update(policy).digest('hex') };
}

export interface FilePart {
  readonly name?: string;
  /** `undefined` is left out of the header. */
  readonly fileName?: string | undefined;
  readonly type?: string;
  readonly content: Buffer | string;
}

export const BOUNDARY = '----form7MA4YWxkTrZu0gW';

/** Fields, the file, and what follows it. */
export function formBody(
  fields: readonly FormField[],
  file: FilePart | undefined,
  after: readonly FormField[] = [],
): Buffer {
  const pieces: (Buffer | string)[] = fields.flatMap(field);
  if (file !== undefined) {
    const name = `; name="${file.name ?? 'file'}"`;
    const fileName = file.fileName === undefined ? '' : `; filename="${file.fileName}"`;
    const type = file.type === undefined ? '' : `Content-Type: ${file.type}\r\n`;
    pieces.push(
      `--${BOUNDARY}\r\nContent-Disposition: form-data${name}${fileName}\r\n${type}\r\n`,
      file.content,
      '\r\n',
    );
  }
  pieces.push(...after.flatMap(field), `--${BOUNDARY}--\r\n`);
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
}

function field([name, value]: FormField): (Buffer | string)[] {
  return [`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`, value, '\r\n'];
}

export const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
