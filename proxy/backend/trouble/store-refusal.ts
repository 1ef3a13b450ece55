/**
 * What a store said when it refused a request: the cause behind the S3 error that the client gets. The log shows it, and
 * store-trouble.ts explains it. The store's message is kept, since it names the missing permission or the right region; what may
 * be a credential in it is not.
 */
import type { ErrorDetails } from '../../errors.ts';

/** A store's error document. `code` is '' when there was none to read (HEAD, a proxy in between). */
export interface BackendErrorDocument {
  readonly status: number;
  readonly code: string;
  /** As the store wrote it: it may name the proxy's account. */
  readonly message: string;
  /** The elements that may be passed on to the client. */
  readonly elements: ErrorDetails;
  /** The message, or the text of a page that is no document, without anything secret: for the operator. */
  readonly shown?: string | undefined;
  /** The region that the store says the bucket is in. */
  readonly region?: string | undefined;
  /** The store's clock, in milliseconds since 1970. */
  readonly storeTime?: number | undefined;
}

/** The cause of every error that stands for a refusal of the store. */
export class StoreRefusal extends Error {
  readonly code = 'STORE_REFUSAL';
  readonly answer: BackendErrorDocument;
  /** What was asked of the store, such as `PutObject`. */
  readonly operation: string | undefined;
  /** This machine's clock when the answer was read, in milliseconds since 1970. */
  readonly ownTime: number;
  readonly isNotListed: boolean;

  /** `isNotListed`: the bucket is not among those that the store lists for these credentials. */
  constructor(answer: BackendErrorDocument, operation?: string, o: { readonly isNotListed?: boolean } = {}) {
    const to = operation === undefined ? '' : ` to ${operation}`;
    const { shown = '' } = answer;
    const words = shown === '' ? '' : `: ${shown}`;
    super(`The backend answered ${answer.status} ${answer.code || '(no code)'}${to}${words}`);
    this.name = 'StoreRefusal';
    this.answer = answer;
    this.operation = operation;
    this.ownTime = Date.now();
    this.isNotListed = o.isNotListed ?? false;
  }
}

const MAX_MESSAGE_CHARACTERS = 300;
const WITHHELD = '[withheld]';

// biome-ignore lint/suspicious/noControlCharactersInRegex: those must not reach a terminal or a log
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]+/g;
/** Access key ids of AWS and Google, signatures and digests in hexadecimal, and base64 of their length. */
const CREDENTIALS =
  /\b(?:AKIA|ASIA|ABIA|ACCA|GOOG)[A-Z0-9]{8,}\b|\bGK[0-9a-f]{24}\b|\b[0-9a-fA-F]{32,}\b|(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43,}={0,2}/g;

/** One line of a store's text that may be shown. @param secrets exact texts that it must not repeat */
export function showable(text: string, secrets: readonly string[] = []): string {
  let line = text.replace(CONTROLS, ' ').trim();
  for (const secret of secrets) if (secret !== '') line = line.replaceAll(secret, WITHHELD);
  line = line.replace(CREDENTIALS, WITHHELD);
  return line.length > MAX_MESSAGE_CHARACTERS ? `${line.slice(0, MAX_MESSAGE_CHARACTERS)}...` : line;
}
