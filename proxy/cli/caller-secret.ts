/**
 * The caller's own API key for a command: from a file in the form of the quickstart's credentials.json, from standard input,
 * or from the environment under the names that S3 tools use. Never an argument, which every process of the machine can read.
 */
import { z } from 'zod';
import { readSmallFile, readSmallStream } from '../config/small-file.ts';
import { MAX_SECRET_FILE_BYTES } from '../limits.ts';

export interface CallerSecret {
  /** Absent when only the secret was given. */
  readonly accessKeyId: string | undefined;
  readonly secretAccessKey: string;
}

const Credentials = z.object({ accessKeyId: z.string().optional(), secretAccessKey: z.string().min(1) });

/** No usable API key was given. Says where it was looked for, never what was found. */
export class NoCallerSecret extends Error {
  readonly code = 'NO_CALLER_SECRET';
}

/** `file`: a path, or `-` for standard input; undefined: the environment. @throws NoCallerSecret */
export async function readCallerSecret(
  file: string | undefined,
  environment: NodeJS.ProcessEnv,
  stdin: AsyncIterable<Buffer> = process.stdin,
): Promise<CallerSecret> {
  if (file === undefined) return fromEnvironment(environment);
  const text = await readSecretText(file, stdin);
  const where = file === '-' ? 'Standard input' : file;
  return parse(text, where);
}

function fromEnvironment(environment: NodeJS.ProcessEnv): CallerSecret {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = environment;
  if (secretAccessKey !== undefined && secretAccessKey !== '') return { accessKeyId, secretAccessKey };
  throw new NoCallerSecret('An API key is needed: --credentials FILE (- for standard input) or AWS_SECRET_ACCESS_KEY.');
}

/** JSON as the quickstart and `tenant create --json` write it, or the secret access key alone on one line. */
function parse(text: string, where: string): CallerSecret {
  const trimmed = text.trim();
  if (trimmed !== '' && !trimmed.startsWith('{') && !/\s/.test(trimmed)) {
    return { accessKeyId: undefined, secretAccessKey: trimmed };
  }
  try {
    const { accessKeyId, secretAccessKey } = Credentials.parse(JSON.parse(trimmed));
    return { accessKeyId, secretAccessKey };
  } catch {
    throw new NoCallerSecret(`${where} holds neither JSON with a secretAccessKey nor a secret access key on one line.`);
  }
}

/** `file`: a path, or `-` for standard input. @throws NoCallerSecret when it cannot be read */
export async function readSecretText(file: string, stdin: AsyncIterable<Buffer>): Promise<string> {
  const o = { maxBytes: MAX_SECRET_FILE_BYTES, Failure: NoCallerSecret };
  const content =
    file === '-' ? await readSmallStream(stdin, { ...o, name: 'standard input' }) : await readSmallFile(file, o);
  return content.toString('utf8');
}
