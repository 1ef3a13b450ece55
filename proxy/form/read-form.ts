/**
 * A browser's multipart/form-data upload taken apart: every field before the file, then the file as a stream that ends at the
 * closing boundary (RFC 7578; S3 API reference, "POST Object"). Fields are bounded; the file is not held.
 */
import { Readable } from 'node:stream';
import { Busboy } from '@fastify/busboy';
import { S3Error } from '../errors.ts';
import type { S3Request } from '../http/request.ts';
import {
  HEAD_TIMEOUT_MS,
  MAX_FORM_FIELD_BYTES,
  MAX_FORM_FIELDS,
  MAX_FORM_PREAMBLE_BYTES,
  UNSIGNED_FORMS_AT_ONCE,
} from '../limits.ts';
import { SUBRESOURCES } from '../subresources.ts';

export interface UploadForm {
  /** By lower-case name; the first of several counts. */
  readonly fields: ReadonlyMap<string, string>;
  readonly fileName: string;
  /** The Content-Type of the file's own part. */
  readonly fileType: string | undefined;
  /** Single use. @throws S3Error IncompleteBody, MalformedPOSTRequest */
  readonly file: AsyncIterable<Buffer>;
  /** Stops reading, so that the rest of the request can be dropped. */
  close(): void;
}

/** Whether the request is a form upload: a POST to the bucket itself, without a sub-resource. */
export function isFormUpload(request: S3Request): boolean {
  if (request.method !== 'POST' || request.bucket === undefined || request.key !== undefined) return false;
  if (request.query.names().some((name) => SUBRESOURCES.has(name))) return false;
  return /^multipart\/form-data\b/i.test(request.header('content-type') ?? '');
}

/** Number of forms in this process whose fields are still arriving. */
let unsigned = 0;

/**
 * Resolves when the file begins. The fields come from anybody, so they have as long to arrive as a request's head, and only so
 * many forms are read at once.
 * @throws S3Error MalformedPOSTRequest, MaxPostPreDataLengthExceededError, InvalidArgument, RequestTimeout, SlowDown
 */
export async function readForm(
  contentType: string,
  source: AsyncIterable<Buffer>,
  o: { timeoutMs?: number } = {},
): Promise<UploadForm> {
  if (unsigned >= UNSIGNED_FORMS_AT_ONCE) throw new S3Error('SlowDown', undefined, { headers: { 'Retry-After': '1' } });
  unsigned += 1;
  try {
    return await readFields(contentType, source, o);
  } finally {
    unsigned -= 1;
  }
}

function readFields(
  contentType: string,
  source: AsyncIterable<Buffer>,
  o: { timeoutMs?: number },
): Promise<UploadForm> {
  const parser = createParser(contentType);
  let begun = false;
  const input = Readable.from(
    boundedUntil(source, () => begun),
    { objectMode: false },
  );
  const fields = new FieldCollector();
  const whole = Promise.withResolvers<void>();
  return new Promise<UploadForm>((resolve, reject) => {
    const late = setTimeout(() => fail(new S3Error('RequestTimeout')), o.timeoutMs ?? HEAD_TIMEOUT_MS);
    const fail = (error: unknown) => {
      clearTimeout(late);
      input.destroy();
      reject(asFormError(error));
      whole.reject(asFormError(error));
    };
    parser.on('field', (name, value, nameCut, valueCut) => {
      const refusal = fields.add(name, value, { cut: nameCut || valueCut });
      if (refusal !== undefined) fail(refusal);
    });
    parser.on('file', (_name, stream, fileName, _encoding, fileType) => {
      begun = true;
      clearTimeout(late);
      const lost = (error: Error) => stream.destroy(error);
      // The file may break off before anybody reads it, or when nobody ever will. The error is kept for the reader: node ends the
      // process on an error without a listener.
      stream.on('error', lost);
      whole.promise.catch(lost);
      resolve({
        fields: fields.soFar(),
        fileName: fileName ?? '',
        fileType: fileType === '' ? undefined : fileType,
        file: fileChunks(stream, whole.promise),
        close() {
          input.destroy();
          stream.destroy();
        },
      });
    });
    parser.on('fieldsLimit', () => fail(new S3Error('MaxPostPreDataLengthExceededError')));
    parser.on('filesLimit', () => fail(notOneFile()));
    parser.on('finish', () => (begun ? whole.resolve() : fail(notOneFile())));
    parser.on('error', fail);
    input.on('error', fail);
    input.pipe(parser);
    // The reader of the file gets the rejection. Without a reader it must not be unhandled.
    whole.promise.catch(() => undefined);
  });
}

function notOneFile(): S3Error {
  return new S3Error('InvalidArgument', 'POST requires exactly one file upload per request.');
}

/** Collects the fields in front of the file. Fields behind it are ignored, as S3 does. */
class FieldCollector {
  readonly #fields = new Map<string, string>();
  #bytes = 0;

  /** The first of several fields of one name counts. @returns why the form is refused, if it is */
  add(name: string | undefined, value: string, o: { cut: boolean }): S3Error | undefined {
    if (name === undefined) return new S3Error('MalformedPOSTRequest', 'A part of the form has no name.');
    this.#bytes += name.length + value.length;
    if (o.cut || this.#bytes > MAX_FORM_FIELD_BYTES) return new S3Error('MaxPostPreDataLengthExceededError');
    const lower = name.toLowerCase();
    if (!this.#fields.has(lower)) this.#fields.set(lower, value);
    return undefined;
  }

  soFar(): ReadonlyMap<string, string> {
    return new Map(this.#fields);
  }
}

/** Before the file begins, the sender is unknown. So everything that it may send until then is bounded. */
async function* boundedUntil(source: AsyncIterable<Buffer>, begun: () => boolean): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of source) {
    if (!begun() && bytes > MAX_FORM_PREAMBLE_BYTES) throw new S3Error('MaxPostPreDataLengthExceededError');
    bytes += chunk.length;
    yield chunk;
  }
}

function createParser(contentType: string) {
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      limits: { fields: MAX_FORM_FIELDS, fieldSize: MAX_FORM_FIELD_BYTES, files: 1 },
      // A part is the file by its name: the file may be text without a file name, and other parts may have one.
      isPartAFile: (name) => name?.toLowerCase() === 'file',
    });
  } catch (cause) {
    throw new S3Error('MalformedPOSTRequest', undefined, { cause });
  }
}

/** The file ends only when the form has ended with its closing boundary. A form that was cut off has no file. */
async function* fileChunks(stream: Readable, whole: Promise<void>): AsyncGenerator<Buffer> {
  try {
    yield* stream as AsyncIterable<Buffer>;
    await whole;
  } catch (error) {
    throw asFormError(error);
  }
}

/** Errors of the parser concern the form. Errors of the source stay as they are. */
function asFormError(error: unknown): S3Error {
  return error instanceof S3Error ? error : new S3Error('MalformedPOSTRequest', undefined, { cause: error });
}
