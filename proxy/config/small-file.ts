/** Reads small files that a command is given. Whatever the file is, no more is read than such a file may have. */
import { createReadStream } from 'node:fs';

type Failure = new (message: string) => Error;

/** All of a file. @throws Failure, which names the file and says what is wrong: it cannot be read, or has more bytes than that */
export async function readSmallFile(
  path: string,
  o: { readonly maxBytes: number; readonly Failure: Failure },
): Promise<Buffer> {
  const content = createReadStream(path, { end: o.maxBytes }) as AsyncIterable<Buffer>;
  return readSmallStream(content, { ...o, name: path });
}

/** The same for other input of a command, such as standard input. */
export async function readSmallStream(
  stream: AsyncIterable<Buffer>,
  { maxBytes, Failure, name }: { readonly maxBytes: number; readonly Failure: Failure; readonly name: string },
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > maxBytes) break;
    }
  } catch (cause) {
    throw new Failure(`${name} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown failure'}).`);
  }
  if (length > maxBytes) throw new Failure(`${name} is too long: nothing of its kind has more than ${maxBytes} bytes.`);
  return Buffer.concat(chunks);
}
