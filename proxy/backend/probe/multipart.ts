/** How the store joins parts: conditions on Complete, and whether all parts but the last must have one size (R2). */
import { MIN_PART_BYTES } from '../../limits.ts';
import { parseAnyXml, renderXml } from '../../xml/render-xml.ts';
import { isRefusal, type ProbeAnswer, type ProbeSession } from './session.ts';

/** CompleteMultipartUpload with If-None-Match: *, and with If-Match. */
export async function honoursCompleteConditions(session: ProbeSession): Promise<boolean> {
  const name = 'complete';
  const etag = await session.put(name, 'old');
  const uploadId = await session.startUpload(name);
  if (uploadId === undefined) return false;
  const parts = [await session.uploadPart(name, { uploadId, number: 1, body: Buffer.from('new') })];
  const conditions = [{ 'if-none-match': '*' }, { 'if-match': '"00000000000000000000000000000000"' }];
  for (const headers of conditions) {
    const answer = await complete(session, { name, uploadId, parts, headers });
    if (!isRefusal(answer.status) || (await session.content(name)) !== 'old') return false;
  }
  const answer = await complete(session, { name, uploadId, parts, headers: { 'if-match': etag } });
  return isCompleted(answer) && (await session.content(name)) === 'new';
}

/** Two parts of different sizes before the last one: allowed by S3, refused by some stores. Moves 10 MiB. */
export async function wantsEqualParts(session: ProbeSession): Promise<boolean> {
  const name = 'equal-parts';
  const uploadId = await session.startUpload(name);
  if (uploadId === undefined) return false;
  const body = Buffer.alloc(MIN_PART_BYTES + 1);
  const bodies = [body.subarray(0, MIN_PART_BYTES), body, body.subarray(0, 1)];
  const parts: string[] = [];
  for (const [index, part] of bodies.entries()) {
    parts.push(await session.uploadPart(name, { uploadId, number: index + 1, body: part }));
  }
  return !isCompleted(await complete(session, { name, uploadId, parts, headers: {} }));
}

async function complete(
  session: ProbeSession,
  o: { name: string; uploadId: string; parts: readonly string[]; headers: Readonly<Record<string, string>> },
): Promise<ProbeAnswer> {
  const document = renderXml('CompleteMultipartUpload', {
    Part: o.parts.map((etag, index) => ({ PartNumber: index + 1, ETag: etag })),
  });
  return session.send({
    method: 'POST',
    name: o.name,
    query: [['uploadId', o.uploadId]],
    headers: { ...o.headers, 'content-type': 'application/xml' },
    body: Buffer.from(document),
  });
}

/** Complete may answer 200 and then fail in its document. The root of a good one differs between stores. */
function isCompleted(answer: ProbeAnswer): boolean {
  return answer.status === 200 && parseAnyXml(answer.body.toString().trim()).child('Error') === undefined;
}
