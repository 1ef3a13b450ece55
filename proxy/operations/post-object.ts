/**
 * POST Object: a browser's form upload, allowed by the policy that its signer signed. The file is sealed like a PUT's body; its
 * length is known only at the closing boundary.
 */
import { objectResource } from '../access/resource.ts';
import { CHECKSUM_NAMES, checksumHeader, checksumName, decodeChecksum } from '../body/checksums.ts';
import type { BodyResult } from '../body/digests.ts';
import { S3Error } from '../errors.ts';
import { type AllowedLength, checkPolicy } from '../form/policy.ts';
import type { UploadForm } from '../form/read-form.ts';
import type { WholeReply } from '../http/reply.ts';
import { requireKeyLength, type S3Request } from '../http/request.ts';
import { MAX_PUT_BYTES } from '../limits.ts';
import { checksumHeaders } from '../object/reply-headers.ts';
import { storeUnknownLength } from '../object/store-unknown-length.ts';
import { type Call, type Operation, objectOf } from '../operation.ts';
import { renderPlainXml } from '../xml/render-xml.ts';
import { clientAttributes, storageHeaders } from './request/client-headers.ts';

export const postObject: Operation = {
  name: 'PostObject',
  selector: { method: 'POST', level: 'bucket' },
  parameters: [],
  body: 'form',
  memory: 'small',
  async run(call) {
    const { bucket, key } = objectOf(call);
    const { form, context, request } = call;
    if (form === undefined) throw new S3Error('MalformedPOSTRequest');
    requireKeyLength(key);
    const allowed = await allowedByForm(call, form);
    const promised = promisedChecksum(request);
    const { headers, result, etag } = await storeUnknownLength(context, {
      bucket,
      key,
      attributes: clientAttributes(request),
      headers: storageHeaders(request),
      chunks: form.file,
      checksums: promised === undefined ? [] : [promised.algorithm],
      checkLength: (bytes, { ended }) => {
        if (bytes > allowed.max) throw tooLarge(bytes, allowed.max);
        if (ended && bytes < allowed.min) throw tooSmall(bytes, allowed.min);
      },
      checkResult: (found) => requireChecksum(promised, found),
    });
    return answer(call, form.fields, {
      bucket,
      key,
      etag,
      versionId: headers['x-amz-version-id'],
      checksums: checksumHeaders(result.checksums.map((checksum) => ({ ...checksum, type: 'FULL_OBJECT' as const }))),
    });
  },
};

/** The form's own policy narrows what its signer may do. @throws S3Error AccessDenied, InvalidPolicyDocument */
async function allowedByForm(call: Call, form: UploadForm): Promise<AllowedLength> {
  const { bucket, key } = objectOf(call);
  const fields = new Map(form.fields).set('key', key);
  const now = call.context.store.now();
  try {
    return checkPolicy(form.fields.get('policy') ?? '', { fields, bucket, now, maxBytes: MAX_PUT_BYTES });
  } catch (error) {
    const isRefusal = error instanceof S3Error && error.code === 'AccessDenied';
    const demand = { action: 's3:PutObject', resource: objectResource({ bucket, key }) } as const;
    if (isRefusal) await call.gate.refuse(demand, { statement: 'form/policy', by: "the form's own policy" });
    throw error;
  }
}

type Promised = { readonly algorithm: (typeof CHECKSUM_NAMES)[number]; readonly value: Buffer } | undefined;

function promisedChecksum(request: S3Request): Promised {
  const named = CHECKSUM_NAMES.filter((name) => request.header(checksumHeader(name)) !== undefined);
  const [algorithm] = named;
  if (algorithm === undefined) return undefined;
  const value = decodeChecksum(algorithm, request.header(checksumHeader(algorithm)) ?? '');
  if (named.length > 1 || value === undefined) {
    throw new S3Error('InvalidRequest', `Value for ${checksumHeader(algorithm)} field is invalid.`);
  }
  return { algorithm, value };
}

function requireChecksum(promised: Promised, found: BodyResult): void {
  if (promised === undefined) return;
  const computed = found.checksums.find(({ algorithm }) => algorithm === checksumName(promised.algorithm));
  if (computed?.value.equals(promised.value) === true) return;
  throw new S3Error('BadDigest', `The ${promised.algorithm} you specified did not match the calculated checksum.`);
}

function tooLarge(bytes: number, max: number): S3Error {
  const details = { ProposedSize: String(bytes), MaxSizeAllowed: String(max) };
  return new S3Error('EntityTooLarge', undefined, { details });
}

function tooSmall(bytes: number, min: number): S3Error {
  const details = { ProposedSize: String(bytes), MinSizeAllowed: String(min) };
  return new S3Error('EntityTooSmall', undefined, { details });
}

interface Posted {
  readonly bucket: string;
  readonly key: string;
  readonly etag: string;
  readonly versionId: string | undefined;
  readonly checksums: Readonly<Record<string, string>>;
}

/** As the form's `success_action_redirect` or `success_action_status` asks; 204 without either. */
function answer(call: Call, fields: ReadonlyMap<string, string>, posted: Posted): WholeReply {
  const { bucket, key, etag, versionId, checksums } = posted;
  const scheme = call.request.secure ? 'https' : 'http';
  const path = encodeURIComponent(key).replaceAll('%2F', '/');
  const location = `${scheme}://${call.request.header('host') ?? ''}/${bucket}/${path}`;
  const headers = { ETag: `"${etag}"`, Location: location, 'x-amz-version-id': versionId, ...checksums };
  const redirect = redirectTarget(fields.get('success_action_redirect') ?? fields.get('redirect'));
  if (redirect !== undefined) {
    for (const [name, value] of Object.entries({ bucket, key, etag: `"${etag}"` })) {
      redirect.searchParams.append(name, value);
    }
    return { status: 303, headers: { ...headers, Location: redirect.href } };
  }
  const status = fields.get('success_action_status');
  if (status === '200') return { status: 200, headers };
  if (status !== '201') return { status: 204, headers };
  const body = renderPlainXml('PostResponse', { Location: location, Bucket: bucket, Key: key, ETag: `"${etag}"` });
  return { status: 201, headers: { ...headers, 'Content-Type': 'application/xml' }, body };
}

/** Text that is not the address of a page is ignored. */
function redirectTarget(text: string | undefined): URL | undefined {
  const url = text === undefined ? null : URL.parse(text);
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? url : undefined;
}
