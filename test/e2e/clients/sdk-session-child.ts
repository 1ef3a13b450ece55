/**
 * What the AWS SDK for JavaScript does with the credentials that it finds by itself: BUCKET KEY OTHER-KEY. Endpoint, region and
 * credentials come from the environment and the configuration file alone. With PROBE_REFRESH the clock goes on by eleven minutes
 * before each request, so that a session of fifteen minutes is always near its end. Prints one JSON line.
 */
import { GetObjectCommand, PutObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';

const [Bucket = '', key = '', other = ''] = process.argv.slice(2);
const Body = 'written in a session';
const s3 = new S3Client({ forcePathStyle: true, maxAttempts: 1 });

if (process.env['PROBE_REFRESH'] !== undefined) {
  const now = Date.now;
  Date.now = () => now() + 11 * 60_000;
}

const code = (work: Promise<string>): Promise<string> =>
  work.catch((error: unknown) => (error instanceof S3ServiceException ? error.name : String(error)));

const put = (Key: string) => code(s3.send(new PutObjectCommand({ Bucket, Key, Body })).then(() => 'ok'));
const get = (Key: string) =>
  code(
    s3.send(new GetObjectCommand({ Bucket, Key })).then(async (reply) => {
      const text = await reply.Body?.transformToString();
      return text === Body ? 'ok' : 'other bytes';
    }),
  );

process.stdout.write(`${JSON.stringify({ put: await put(key), get: await get(key), other: await put(other) })}\n`);
