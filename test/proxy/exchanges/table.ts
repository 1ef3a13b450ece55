/** The rows of the table of exchanges in crypto/FORMAT.md, section 13. */
import { readFileSync } from 'node:fs';

/** Names of the rows under a heading, sorted. */
export function rowsOf(part: 'objects' | 'state'): string[] {
  const document = readFileSync(new URL('../../../crypto/FORMAT.md', import.meta.url), 'utf8');
  const heading = part === 'objects' ? '#### Among objects' : '#### In the state';
  const at = document.indexOf(heading);
  if (at < 0) throw new Error(`the document has no part ${part}`);
  const text = document.slice(at + heading.length).split(/^#/m)[0] ?? '';
  return [...text.matchAll(/^\| `([a-z-]+)`/gm)].map(([, name = '']) => name).sort();
}
