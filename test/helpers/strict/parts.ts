/** Rules of CompleteMultipartUpload: order, known parts, 5 MiB for all but the last, and equal parts where asked for. */
import type { Backend, BackendRequest, QueryParameter } from '../../../proxy/backend/backend.ts';
import { readBody } from '../../../proxy/backend/read-body.ts';
import { MAX_BACKEND_XML_BYTES, MAX_PART_NUMBER } from '../../../proxy/limits.ts';
import { parseAnyXml, parseXml } from '../../../proxy/xml/render-xml.ts';
import { queryValue } from '../backend-reply.ts';
import { matches } from './conditions.ts';
import type { Broken } from './request-rules.ts';

interface Part {
  readonly size: number;
  readonly etag: string;
}

export async function brokenComplete(
  inner: Backend,
  request: BackendRequest,
  o: { minPartBytes: number; equalParts: boolean },
): Promise<Broken | undefined> {
  if (!Buffer.isBuffer(request.body)) return bad('MalformedXML', 'no document');
  const listed = parseXml(request.body.toString(), 'CompleteMultipartUpload').children('Part');
  const wanted = listed.map((part) => ({ number: Number(part.value('PartNumber')), etag: part.value('ETag') ?? '' }));
  if (wanted.length === 0 || wanted.length > MAX_PART_NUMBER) return bad('MalformedXML', `${wanted.length} parts`);
  if (wanted.some((part, i) => i > 0 && part.number <= (wanted[i - 1]?.number ?? 0))) {
    return bad('InvalidPartOrder', 'not ascending');
  }
  const uploaded = await uploadedParts(inner, request);
  if (uploaded === undefined) return undefined;
  const sizes: number[] = [];
  for (const { number, etag } of wanted) {
    const part = uploaded.get(number);
    if (part === undefined || !matches(etag, part.etag)) return bad('InvalidPart', `part ${number}`);
    sizes.push(part.size);
  }
  const last = sizes.pop() ?? 0;
  if (sizes.some((size) => size < o.minPartBytes)) return bad('EntityTooSmall', `below ${o.minPartBytes} bytes`);
  const isUneven = new Set(sizes).size > 1 || (sizes[0] !== undefined && last > sizes[0]);
  return o.equalParts && isUneven ? bad('InvalidPart', 'parts differ in size') : undefined;
}

/** By number; `undefined` when there is no such upload, which is for the inner store to say. */
async function uploadedParts(inner: Backend, request: BackendRequest): Promise<Map<number, Part> | undefined> {
  const parts = new Map<number, Part>();
  const upload: QueryParameter = ['uploadId', queryValue(request, 'uploadId') ?? ''];
  for (let marker: string | undefined; ; ) {
    const query = marker === undefined ? [upload] : [upload, ['part-number-marker', marker] as const];
    const { headers: _, body: __, ...rest } = request;
    const response = await inner.send({ ...rest, method: 'GET', query });
    const body = await readBody(response, { maxBytes: MAX_BACKEND_XML_BYTES });
    if (response.status !== 200) return undefined;
    // moto calls the root ListPartsResponse.
    const document = parseAnyXml(body.toString());
    const page = parseXml(body.toString(), document.childNames()[0] ?? '');
    for (const part of page.children('Part')) {
      parts.set(Number(part.value('PartNumber')), { size: Number(part.value('Size')), etag: part.value('ETag') ?? '' });
    }
    if (page.value('IsTruncated')?.trim() !== 'true') return parts;
    marker = page.value('NextPartNumberMarker');
  }
}

function bad(code: string, message: string): Broken {
  return { status: 400, code, message };
}
