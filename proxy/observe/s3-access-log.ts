/**
 * A request as a line of S3's server access log, in AWS's order of fields, so that what reads those reads ours (S3 user guide, "Amazon
 * S3 server access log format"). Three fields are left empty on purpose: the query of the request, the referrer, which may be a
 * presigned URL, and the requester's key.
 */
import type { RequestLine } from './request-fields.ts';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Without the line end. */
export function accessLogLine(line: RequestLine): string {
  const { tenant, cipher, tls } = line;
  return [
    text(tenant), // bucket owner
    text(line.bucket),
    time(line.time),
    text(line.client),
    text(tenant), // requester
    text(line.requestId),
    operation(line),
    text(line.key === undefined ? undefined : encodeURIComponent(line.key).replaceAll('%2F', '/')),
    quoted(`${line.method} ${line.path} HTTP/1.1`),
    String(line.status),
    text(line.code),
    count(line.bytesOut),
    count(line.objectBytes),
    count(Math.round(line.ms)),
    count(line.firstByteMs === undefined ? undefined : Math.round(line.firstByteMs)),
    '"-"', // referrer
    quoted(line.agent),
    text(line.versionId),
    text(line.requestId), // host id
    line.authentication === undefined ? '-' : 'SigV4',
    text(cipher),
    text(line.authentication),
    text(line.host),
    text(tls),
    '-', // access point ARN
    '-', // whether an ACL was needed
  ].join(' ');
}

/** `[27/Nov/2026:16:31:57 +0000]`. */
function time(date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${two(date.getUTCDate())}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}`;
  return `[${day}:${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000]`;
}

/** `REST.PUT.OBJECT`: the method, and what kind of thing it is about; its part of a multipart upload, its ACL and the like. */
function operation({ operation: name, method, key, bucket }: RequestLine): string {
  const kind = KINDS.find(([ends]) => name.includes(ends))?.[1];
  const level = key !== undefined ? 'OBJECT' : bucket !== undefined ? 'BUCKET' : 'SERVICE';
  const copies = name.includes('Copy') && method === 'PUT' ? 'COPY' : method;
  return `REST.${copies}.${kind ?? level}`;
}

const KINDS: readonly (readonly [part: string, kind: string])[] = [
  ['UploadPart', 'PART'],
  ['MultipartUploads', 'UPLOADS'],
  ['CreateMultipartUpload', 'UPLOADS'],
  ['MultipartUpload', 'UPLOAD'],
  ['ListParts', 'UPLOAD'],
  ['DeleteObjects', 'MULTI_OBJECT_DELETE'],
  ['ListObjectVersions', 'BUCKETVERSIONS'],
  ['Acl', 'ACL'],
  ['Tagging', 'OBJECT_TAGGING'],
  ['Versioning', 'VERSIONING'],
  ['Location', 'LOCATION'],
];

function count(value: number | undefined): string {
  return value === undefined || value === 0 ? '-' : String(value);
}

/** One word. */
function text(value: string | undefined): string {
  return value === undefined || value === '' ? '-' : escaped(value).replaceAll(' ', '%20');
}

function quoted(value: string | undefined): string {
  return value === undefined || value === '' ? '"-"' : `"${escaped(value)}"`;
}

/** Nothing that a client sends ends a field or a line. */
function escaped(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must not be written
  return value.replace(/[\u0000-\u001f"\\\u007f-\uffff]/g, (character) => encodeURIComponent(character.toWellFormed()));
}
