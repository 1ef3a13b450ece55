/**
 * Answers of the slow operations (CopyObject, UploadPartCopy, CompleteMultipartUpload). A store may have answered 200 before
 * it was done, so only the document says whether it did it: an `<Error>` under 200 is a failure (S3 API reference,
 * CopyObject, "Response and special errors").
 */
import { MAX_BACKEND_XML_BYTES } from '../limits.ts';
import { parseAnyXml, type XmlNode } from '../xml/render-xml.ts';
import { type BackendResponse, BackendUnavailable } from './backend.ts';
import { backendFailure, readErrorBody, readErrorResponse } from './errors.ts';
import { readBody } from './read-body.ts';

/** The root element of the result. @throws S3Error for a status other than 200, or an error in the document */
export async function readResult(
  response: BackendResponse,
  o: { root: string; operation: string; bucket: string; key: string },
): Promise<XmlNode> {
  if (response.status !== 200) {
    throw backendFailure(await readErrorResponse(response), o);
  }
  const document = await readBody(response, { maxBytes: MAX_BACKEND_XML_BYTES });
  const found = parseAnswer(document.toString('utf8').trim(), o.operation);
  if (found.child('Error') !== undefined) throw backendFailure(readErrorBody(response, document), o);
  const root = found.child(o.root);
  if (root === undefined) throw unreadable(o.operation);
  return root;
}

function parseAnswer(document: string, operation: string): XmlNode {
  try {
    return parseAnyXml(document);
  } catch (cause) {
    throw unreadable(operation, cause);
  }
}

function unreadable(operation: string, cause?: unknown): BackendUnavailable {
  return new BackendUnavailable(`its answer to ${operation} cannot be understood`, { cause });
}
