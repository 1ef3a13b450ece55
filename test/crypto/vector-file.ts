/**
 * The form of a vector file: lines `name: value` in UTF-8, an empty line, then the stored body as it is. Names may repeat.
 * Knows nothing of the object format.
 */
import { Buffer } from 'node:buffer';

export interface VectorFile {
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

export function renderVectorFile(file: VectorFile): Buffer {
  const lines = file.fields.map(([name, value]) => `${name}: ${value}\n`).join('');
  return Buffer.concat([Buffer.from(`${lines}\n`, 'utf8'), file.body]);
}

export function parseVectorFile(bytes: Buffer): VectorFile {
  const end = bytes.indexOf('\n\n');
  if (end < 0) throw new Error('A vector file has an empty line between its fields and its body.');
  const fields = bytes
    .toString('utf8', 0, end)
    .split('\n')
    .map((line): [string, string] => {
      const colon = line.indexOf(': ');
      if (colon < 0) throw new Error(`Not a field: ${line}`);
      return [line.slice(0, colon), line.slice(colon + 2)];
    });
  return { fields, body: bytes.subarray(end + 2) };
}

/** The only field of that name. */
export function fieldOf(file: VectorFile, name: string): string {
  const [value, ...more] = fieldsOf(file, name);
  if (value === undefined || more.length > 0) throw new Error(`Expected one field ${name}.`);
  return value;
}

export function fieldsOf(file: VectorFile, name: string): readonly string[] {
  return file.fields.filter(([field]) => field === name).map(([, value]) => value);
}
