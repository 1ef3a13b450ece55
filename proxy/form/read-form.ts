/**
 * A browser's multipart/form-data upload taken apart: every field before the file, then the file as a stream that ends at the
 * closing boundary (RFC 7578; S3 API reference, "POST Object"). Fields are bounded; the file is not held.
 */
import { Readable } from 'node:stream';
import { Busboy } from '@fastify/busboy';
import { S3Error } from '../errors.ts';
import { HEAD_TIMEOUT_MS, MAX_FORM_FIELD_BYTES, MAX_FORM_FIELDS } from '../limits.ts';
import type { S3Request } from '../request.ts';
import { SUBRESOURCES } from '../route.ts';

export interface UploadForm {
  /** By lower-case name; the first of several counts. */
  readonly fields: ReadonlyMap<string, string>;
  readonly fileName: string;
  /** The Content-Type of the file's own part. */
  readonly fileType: string | undefined;
  /** Single use. @throws S3Error IncompleteBody, MalformedPOSTRequest */
  readonly file: AsyncIterable<Buffer>;
}

/** A form goes to the bucket itself, and names no sub-resource. */
export function isFormUpload(request: S3Request): boolean {
  if (request.method !== 'POST' || request.bucket === undefined || request.key !== undefined) return false;
  if (request.query.names().some((name) => SUBRESOURCES.has(name))) return false;
  return /^multipart\/form-data\b/i.test(request.header('content-type') ?? '');
}

/**
 * Resolves when the file begins. The fields come from anybody, so they have as long to arrive as a request's head.
 * @throws S3Error MalformedPOSTRequest, MaxPostPreDataLengthExceeded, InvalidArgument, RequestTimeout
 */
export async function readForm(
  contentType: string,
  source: AsyncIterable<Buffer>,
  o: { timeoutMs?: number } = {},
): Promise<UploadForm> {
  const input = Readable.from(source, { objectMode: false });
  const parser = createParser(contentType);
  const fields = new Map<string, string>();
  let fieldBytes = 0;
  return new Promise<UploadForm>((resolve, reject) => {
    const late = setTimeout(() => fail(new S3Error('RequestTimeout')), o.timeoutMs ?? HEAD_TIMEOUT_MS);
    const fail = (error: unknown) => {
      clearTimeout(late);
      input.destroy();
      reject(asFormError(error));
    };
    parser.on('field', (name, value, nameCut, valueCut) => {
      fieldBytes += name.length + value.length;
      if (nameCut || valueCut || fieldBytes > MAX_FORM_FIELD_BYTES) {
        fail(new S3Error('MaxPostPreDataLengthExceeded'));
      } else if (!fields.has(name.toLowerCase())) fields.set(name.toLowerCase(), value);
    });
    parser.on('file', (name, stream, fileName, _encoding, fileType) => {
      const lost = (error: Error) => stream.destroy(error);
      // The file may break off before anybody reads it, or when nobody ever will: its error is kept for its reader. Node
      // ends the process over one that nobody listens to.
      stream.on('error', lost);
      if (name.toLowerCase() !== 'file') {
        stream.resume();
        return fail(new S3Error('InvalidArgument', 'The file of the form must be in a field named file.'));
      }
      clearTimeout(late);
      input.once('error', lost);
      parser.once('error', lost);
      resolve({ fields, fileName, fileType: fileType === '' ? undefined : fileType, file: fileChunks(stream) });
    });
    parser.on('fieldsLimit', () => fail(new S3Error('MaxPostPreDataLengthExceeded')));
    parser.on('finish', () =>
      fail(new S3Error('InvalidArgument', 'POST requires exactly one file upload per request.')),
    );
    parser.on('error', fail);
    input.on('error', fail);
    input.pipe(parser);
  });
}

function createParser(contentType: string) {
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      limits: { fields: MAX_FORM_FIELDS, fieldSize: MAX_FORM_FIELD_BYTES, files: 1 },
    });
  } catch (cause) {
    throw new S3Error('MalformedPOSTRequest', undefined, { cause });
  }
}

async function* fileChunks(stream: Readable): AsyncGenerator<Buffer> {
  try {
    yield* stream as AsyncIterable<Buffer>;
  } catch (error) {
    throw asFormError(error);
  }
}

/** The parser's own complaints are about the form; the source's are what they are. */
function asFormError(error: unknown): S3Error {
  return error instanceof S3Error ? error : new S3Error('MalformedPOSTRequest', undefined, { cause: error });
}
