/** The `x-amz-copy-source` header: a percent-encoded `/bucket/key`, with or without the first slash and a version. */
import { S3Error } from '../../errors.ts';
import type { CopySource } from './mutations/copy-object.ts';
import { versionParameter } from './request.ts';

const VERSION = '?versionId=';

/** @throws S3Error InvalidArgument */
export function copySource(header: string): CopySource {
  const at = header.lastIndexOf(VERSION);
  const path = decode(at < 0 ? header : header.slice(0, at));
  const versionId = versionParameter(at < 0 ? undefined : header.slice(at + VERSION.length));
  const [, bucket, key] = /^\/?([^/]+)\/(.+)$/su.exec(path) ?? [];
  if (bucket === undefined || key === undefined) throw invalid();
  return { bucket, key, versionId };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid();
  }
}

function invalid(): S3Error {
  return new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey', {
    details: { ArgumentName: 'x-amz-copy-source' },
  });
}
