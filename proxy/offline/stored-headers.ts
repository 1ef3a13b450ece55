/**
 * The metadata of an object that was fetched to a file, in the forms in which people have it: what `aws s3api head-object` or
 * `get-object` prints, a flat JSON object of the `enc-` fields, or header lines as curl shows them.
 */
import { z } from 'zod';
import { META_PREFIX } from '../object/stored-metadata.ts';

/** Backend headers by lower-case name. */
export type StoredHeaders = Readonly<Record<string, string>>;

const Printed = z.object({
  ETag: z.string().optional(),
  LastModified: z.string().optional(),
  VersionId: z.string().optional(),
  Metadata: z.record(z.string(), z.string()).optional(),
});

const Flat = z.record(z.string(), z.string());

/** @throws Error when the text is none of the three */
export function parseStoredHeaders(text: string): StoredHeaders {
  const trimmed = text.trim();
  return trimmed.startsWith('{') ? fromJson(trimmed) : fromLines(trimmed);
}

function fromJson(text: string): StoredHeaders {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('The metadata file is not valid JSON.');
  }
  const printed = Printed.safeParse(value);
  const flat = Flat.safeParse(value);
  if (printed.success && (printed.data.Metadata !== undefined || printed.data.ETag !== undefined)) {
    const { ETag, LastModified, VersionId, Metadata = {} } = printed.data;
    return {
      ...(ETag === undefined ? {} : { etag: ETag }),
      ...(LastModified === undefined ? {} : { 'last-modified': LastModified }),
      ...(VersionId === undefined ? {} : { 'x-amz-version-id': VersionId }),
      ...withPrefix(Metadata),
    };
  }
  if (flat.success) return withPrefix(flat.data);
  throw new Error('The metadata file is neither what head-object prints nor an object of names and values.');
}

function fromLines(text: string): StoredHeaders {
  const headers: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === '' || /^HTTP\//.test(line)) continue;
    const [, name, value] = /^([\w-]+)\s*:\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new Error('The metadata file has a line that is no header.');
    headers[name.toLowerCase()] = value;
  }
  const bare = Object.entries(headers).filter(([name]) => name.startsWith('enc-'));
  return { ...headers, ...withPrefix(Object.fromEntries(bare)) };
}

function withPrefix(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const named = Object.entries(metadata).map(([name, value]) => {
    const lower = name.toLowerCase();
    return [lower.startsWith(META_PREFIX) ? lower : META_PREFIX + lower, value];
  });
  return Object.fromEntries(named);
}
