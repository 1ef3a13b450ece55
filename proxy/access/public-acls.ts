/**
 * ACLs that open a bucket or an object to everybody. This endpoint answers signed requests alone, and at the store everybody
 * would read ciphertext; so such an ACL does not do what its sender wants. It is said once in the log, or refused, as a public
 * access block of S3 does (SEALGATE_PUBLIC_ACLS).
 */
import { S3Error } from '../errors.ts';
import type { XmlNode } from '../xml/read-xml.ts';

const CANNED: ReadonlySet<string> = new Set(['public-read', 'public-read-write', 'authenticated-read']);
const GRANTS = ['full-control', 'read', 'read-acp', 'write', 'write-acp'].map((right) => `x-amz-grant-${right}`);
/** Whoever asks, and whoever has an account anywhere (S3 user guide, "Amazon S3 predefined groups"). */
const EVERYBODY = /acs\.amazonaws\.com\/groups\/global\/(AllUsers|AuthenticatedUsers)/;

export class PublicAcls {
  readonly #refuse: boolean;
  readonly #warn: (requestId: string) => void;
  #isSaid = false;

  constructor(o: { refuse: boolean; warn: (requestId: string) => void }) {
    this.#refuse = o.refuse;
    this.#warn = o.warn;
  }

  /** @throws S3Error AccessDenied */
  checkHeaders(request: { readonly id: string; header(name: string): string | undefined }): void {
    const isCanned = CANNED.has(request.header('x-amz-acl') ?? '');
    if (isCanned || GRANTS.some((name) => EVERYBODY.test(request.header(name) ?? ''))) this.#met(request.id);
  }

  /** @throws S3Error AccessDenied */
  checkDocument(root: XmlNode, requestId: string): void {
    const grants = root.child('AccessControlList')?.children('Grant') ?? [];
    if (grants.some((grant) => EVERYBODY.test(grant.child('Grantee')?.value('URI') ?? ''))) this.#met(requestId);
  }

  #met(requestId: string): void {
    if (this.#refuse) {
      throw new S3Error('AccessDenied', 'Public ACLs are refused by this endpoint (SEALGATE_PUBLIC_ACLS).');
    }
    if (this.#isSaid) return;
    this.#isSaid = true;
    this.#warn(requestId);
  }
}
