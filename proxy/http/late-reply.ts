/**
 * Replies to operations that may take longer than clients wait in silence: copies and Complete. After a while the reply begins
 * as a 200 with the XML declaration, white space keeps the connection alive, and then comes the result or an `<Error>`, which
 * clients of these operations look for under 200 too (S3 API reference, CopyObject, "Response and special errors").
 */

import { XML_DECLARATION } from '../xml/render-xml.ts';
import type { Reply } from './reply.ts';

export interface LateReplyOptions {
  /** Milliseconds of silence before the reply begins, and then between its spaces. */
  readonly silenceMs: number;
  /** Records a failure that came after the reply began, and returns the error document. */
  readonly failed: (error: unknown) => string;
}

/** Returns the reply of `work`, or rejects as `work` does, when `work` is in time. The headers of a later reply are lost. */
export async function lateReply(work: Promise<Reply>, o: LateReplyOptions): Promise<Reply> {
  const early = await within(work, o.silenceMs);
  if (early !== undefined) return early;
  const document = work.then(({ body }) => String(body ?? ''), o.failed);
  return {
    status: 200,
    headers: { 'Content-Type': 'application/xml' },
    body: { length: undefined, chunks: keptAlive(document, o.silenceMs) },
  };
}

async function* keptAlive(document: Promise<string>, silenceMs: number): AsyncGenerator<Buffer> {
  yield Buffer.from(XML_DECLARATION);
  for (;;) {
    const text = await within(document, silenceMs);
    if (text !== undefined) {
      yield Buffer.from(text.replace(XML_DECLARATION, ''));
      return;
    }
    yield Buffer.from(' ');
  }
}

/** The result of `work`; undefined when `work` takes longer. */
async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
