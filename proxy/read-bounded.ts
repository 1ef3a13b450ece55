/** Small files that a command is given. Whatever they are, no more is read of them than such a file may have. */
import { open } from 'node:fs/promises';

/** The first `maxBytes` of a file, or all of it. @throws what the file system says */
export async function readBounded(path: string, maxBytes: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const bytes = Buffer.alloc(maxBytes);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(bytes, length, maxBytes - length);
      length += bytesRead;
      if (bytesRead === 0 || length === maxBytes) return bytes.subarray(0, length);
    }
  } finally {
    await file.close();
  }
}
