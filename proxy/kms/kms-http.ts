/** Calls to a key service over HTTP, with JSON in the replies: its sockets, and the bounds of each call. */
import type { Dispatcher } from 'undici';
import { KMS_CALL_TIMEOUT_MS, MAX_KMS_REPLY_BYTES } from '../kms-limits.ts';
import { OutboundFailure, type OutboundRequest, outboundDispatcher, sendOutbound } from '../outbound/send.ts';
import { KmsFailure } from './provider.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

export interface KmsReply {
  readonly status: number;
  /** Without members where the body is no object. */
  readonly json: JsonObject;
}

export class KmsHttp {
  readonly #dispatcher: Promise<Dispatcher>;

  /** `ca`: PEM, where a private authority signed the certificate of the service. */
  constructor(url: URL, o: { readonly ca: string | undefined }) {
    this.#dispatcher = outboundDispatcher(url, o);
  }

  /** @throws KmsFailure `unreachable`; its message holds nothing that was sent or received */
  async send(
    url: URL,
    request: Pick<OutboundRequest, 'method' | 'headers' | 'body'>,
    signal: AbortSignal,
  ): Promise<KmsReply> {
    const bounds = { maxBytes: MAX_KMS_REPLY_BYTES, timeoutMs: KMS_CALL_TIMEOUT_MS, dispatcher: this.#dispatcher };
    try {
      const { status, body } = await sendOutbound(url, { ...request, ...bounds, signal });
      return { status, json: parsed(body) };
    } catch (cause) {
      if (!(cause instanceof OutboundFailure)) throw cause;
      throw new KmsFailure('unreachable', cause.message, { cause });
    }
  }

  async close(): Promise<void> {
    await (await this.#dispatcher).close();
  }
}

/** A member that is an object itself. */
export function objectIn(json: JsonObject, name: string): JsonObject | undefined {
  const value = json[name];
  return typeof value === 'object' && value !== null ? { ...value } : undefined;
}

function parsed(text: string): JsonObject {
  try {
    return objectIn({ reply: JSON.parse(text) }, 'reply') ?? {};
  } catch {
    return {};
  }
}
