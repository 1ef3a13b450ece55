/** Documents that a store answers with. One that cannot be read is the store's failure, and not the client's. */
import { S3Error } from '../errors.ts';
import { parseXml, type XmlNode } from '../xml/render-xml.ts';
import { BackendUnavailable } from './backend.ts';

/** @throws BackendUnavailable when it is not well formed, or has another root */
export function parseAnswer(document: string, root: string): XmlNode {
  try {
    return parseXml(document.trim(), root);
  } catch (cause) {
    if (!(cause instanceof S3Error)) throw cause;
    throw new BackendUnavailable(`its answer is no ${root}`, { cause });
  }
}
