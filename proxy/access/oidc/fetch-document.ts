/** Fetches a small document over HTTPS for the control plane, such as the keys of an OpenID Connect issuer. */
import type { Dispatcher } from 'undici';
import { OutboundFailure, sendOutbound } from '../../outbound/send.ts';
import { DOCUMENT_FETCH_TIMEOUT_MS } from '../../session-limits.ts';

/** The document could not be had. The message says why, without the document. */
export class DocumentUnavailable extends Error {
  readonly code = 'DOCUMENT_UNAVAILABLE';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DocumentUnavailable';
  }
}

/** @throws DocumentUnavailable */
export async function fetchDocument(
  url: URL,
  o: { maxBytes: number; dispatcher?: Dispatcher | undefined },
): Promise<string> {
  const headers = { accept: 'application/json' };
  const bounds = { ...o, timeoutMs: DOCUMENT_FETCH_TIMEOUT_MS };
  const { status, body } = await sendOutbound(url, { ...bounds, headers }).catch((cause: unknown) => {
    if (!(cause instanceof OutboundFailure)) throw cause;
    throw new DocumentUnavailable(cause.message, { cause });
  });
  if (status !== 200) throw new DocumentUnavailable(`${url.host} answered ${status}`);
  return body;
}
