/**
 * The one interface to where ciphertext is kept: an S3 request in, an S3 response out (docs/architecture.md).
 *
 * Everything above this line speaks decoded names and lower-case header names; percent-encoding, request signing and
 * transport belong to the implementation. A backend never sees plaintext, a tenant's key, or a client's own headers:
 * callers build each request from an allow-list.
 */

import type { Readable } from 'node:stream';
import type { Capabilities } from './capabilities.ts';

export type BackendMethod = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';

/** A decoded query parameter. A parameter without a value (`?acl`) has the value ''. */
export type QueryParameter = readonly [name: string, value: string];

/**
 * A request body. A `Buffer` can be sent again, so the backend may retry it; a stream is read once and never retried.
 * `length` is exact, in bytes: the request carries it as Content-Length. If `chunks` throws, the request is destroyed
 * short of that length, so that the store cannot commit it.
 */
export type BackendBody = Buffer | { readonly length: number; readonly chunks: AsyncIterable<Buffer> };

export interface BackendRequest {
  readonly method: BackendMethod;
  /** Absent for service-level requests (ListBuckets). */
  readonly bucket?: string;
  /** Decoded object key. Absent for bucket-level requests. */
  readonly key?: string;
  readonly query?: readonly QueryParameter[];
  /** Lower-case names. Without host, content-length, authorization and x-amz-date: those are the implementation's. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: BackendBody;
  /** Asked of a success whose head is there: whether its body is read to its end, not cut, and then given back. */
  readonly lends?: (headers: Readonly<Record<string, string>>) => boolean;
  /**
   * A write of the proxy's own state: of the audit, without which nothing is done, or of a keyring. A store that keeps room in reserve
   * takes it from there when its disk is full.
   */
  readonly essential?: true;
  /** Aborting it destroys the request and the response body. */
  readonly signal: AbortSignal;
}

/** Bytes of a body's pieces. */
export interface PieceSizes {
  readonly first: number;
  readonly others: number;
}

/** A body whose memory may serve others afterwards. */
export interface LentBody {
  /**
   * Asks for the body in pieces of these sizes, where the backend can do so. Each piece is valid only until the next one is asked
   * for.
   */
  cutInto?(sizes: PieceSizes): void;
  /**
   * Returns a borrowed buffer. Call it for a body that was cut into pieces or borrowed, when the body was read to its end and no
   * piece is in use any more.
   */
  giveBack?(): void;
}

/** A body that may be at hand. */
export interface HandyBody {
  /** All of it, when it came in one piece and nobody has begun to read it; it is read with that. */
  takeWhole?(): Buffer | undefined;
}

export interface BackendResponse {
  readonly status: number;
  /** Lower-case names. Set-Cookie and the like do not occur in S3; duplicates are joined with ', '. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * The body, at most once. A consumer that stops early must destroy it. It errors (never ends cleanly) when fewer bytes
   * arrive than Content-Length announced.
   */
  readonly body: Readable & LentBody & HandyBody;
  /** Texts that nothing shown of an error answer may repeat: the access key id that signed the request. */
  readonly secrets?: readonly string[];
}

export interface Backend {
  /** For logs and the start-up banner: `local:DIR` or `http://host:port`; never credentials. */
  readonly description: string;
  /**
   * Sends one request. Any HTTP status is a response, not an exception.
   * @throws BackendUnavailable when no response came: refused, reset, timed out, or the store's own failure.
   */
  send(request: BackendRequest): Promise<BackendResponse>;
  close(): Promise<void>;
  /** For a store that is part of this program: it need not be tried out, which writes. A full store must start all the same. */
  readonly capabilities?: Capabilities;
  /** For a store that needs credentials: whether they expire, and whether they are renewed. */
  readonly credentials?: { readonly status: CredentialStatus };
}

/** For metrics. */
export interface CredentialStatus {
  /** When those in force end, milliseconds since 1970; undefined when they do not, or none are held. */
  readonly expires: number | undefined;
  /** Renewals that failed, since the start. */
  readonly failures: number;
}

/** No answer from the store. Clients see 503 ServiceUnavailable and retry. */
export class BackendUnavailable extends Error {
  readonly code = 'BACKEND_UNAVAILABLE';
  readonly reason: string;
  /** How the connection failed: a code of the operating system (ECONNREFUSED), of OpenSSL, or of the client (CONNECT_TIMEOUT). */
  readonly transport: string | undefined;
  constructor(reason: string, options: ErrorOptions & { readonly transport?: string } = {}) {
    super(`The backend did not answer: ${reason}`, options);
    this.name = 'BackendUnavailable';
    this.reason = reason;
    this.transport = options.transport ?? codeOf(options.cause);
  }
}

function codeOf(cause: unknown): string | undefined {
  const { code } = (cause ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
