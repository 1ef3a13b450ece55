/** A multipart upload from Create to Complete, several parts at once. */
import { ask, expectStatus } from './ask.ts';
import { Connection } from './connection.ts';
import type { Endpoint } from './signed-request.ts';
import { upload } from './upload-body.ts';

/** Parts under way at once. */
export const PARTS_AT_ONCE = 4;

/** @throws Error when any step fails. */
export async function uploadInParts(endpoint: Endpoint, o: { key: string; parts: readonly Buffer[] }): Promise<void> {
  const { key } = o;
  const created = await ask(endpoint, { method: 'POST', key, query: [['uploads', '']] });
  const uploadId = element(created.body.toString(), 'UploadId');
  const etags: string[] = [];
  let next = 0;
  const work = async () => {
    const connection = new Connection(endpoint.address);
    try {
      for (let index = next++; index < o.parts.length; index = next++) {
        const query = [
          ['partNumber', String(index + 1)],
          ['uploadId', uploadId],
        ] as const;
        const send = upload(endpoint, { key, query, body: o.parts[index] ?? Buffer.alloc(0), kind: 'unsigned' });
        const answer = await connection.exchange({ send });
        expectStatus(answer, [200], `part ${index + 1}`);
        etags[index] = answer.headers.get('etag') ?? '';
      }
    } finally {
      connection.close();
    }
  };
  await Promise.all(Array.from({ length: PARTS_AT_ONCE }, work));
  const listed = etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
  const body = Buffer.from(`<CompleteMultipartUpload>${listed.join('')}</CompleteMultipartUpload>`);
  const completed = await ask(endpoint, { method: 'POST', key, query: [['uploadId', uploadId]] }, { body });
  element(completed.body.toString(), 'ETag');
}

function element(document: string, name: string): string {
  const [, text = ''] = new RegExp(`<${name}>([^<]+)</${name}>`).exec(document) ?? [];
  if (text === '') throw new Error(`the reply has no ${name}`);
  return text;
}
