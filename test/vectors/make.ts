/**
 * Writes the vectors of the object format to test/vectors/format/, or with --check compares what it would write with what
 * is there. Run: `node test/vectors/make.ts [--check]`.
 *
 * Salts come from fixed-random.ts, which takes the place of crypto/random.ts in this process only.
 */
import { Buffer } from 'node:buffer';
import { createHash, createSecretKey } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { startSequence } from './fixed-random.ts';

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    const isRandom = resolved.url === new URL('../../crypto/random.ts', import.meta.url).href;
    return isRandom ? { ...resolved, url: new URL('./fixed-random.ts', import.meta.url).href } : resolved;
  },
});
const { NAME, ROOTS } = await import('../crypto/vectors/build.ts');
const { VECTOR_CASES } = await import('../crypto/vectors/cases.ts');
const { openObject } = await import('../crypto/object.ts');
const { describeObject } = await import('../crypto/describe-object.ts');
const { renderVectorFile } = await import('../crypto/vector-file.ts');
type VectorCase = (typeof VECTOR_CASES)[number];

function render(vector: VectorCase): Buffer {
  startSequence(vector.file);
  const { header, body } = vector.make();
  const name = vector.name ?? NAME;
  const fields: [string, string][] = [
    ['comment', vector.comment],
    ['result', vector.result],
    ...[...ROOTS].map(([epoch, root]): [string, string] => ['root', `${epoch} ${root.toString('hex')}`]),
    ['tenant', name.tenant.toString('hex')],
    ['bucket', JSON.stringify(name.bucket)],
    ['key', JSON.stringify(name.key)],
    ...Object.entries(header).map(([field, value]): [string, string] => [field, String(value)]),
  ];
  if (vector.result === 'success') {
    const root = (epoch: number) => createSecretKey(ROOTS.get(epoch) ?? Buffer.alloc(0));
    const opened = openObject({ root, name, header, body });
    fields.push(['attributes', JSON.stringify(describeObject(opened))]);
    fields.push(['plaintext-sha256', createHash('sha256').update(opened.plaintext).digest('hex')]);
  }
  return renderVectorFile({ fields, body });
}

const directory = fileURLToPath(new URL('./format/', import.meta.url));
const files = new Map(VECTOR_CASES.map((vector) => [vector.file, render(vector)]));
if (files.size !== VECTOR_CASES.length) throw new Error('Two vectors have one name.');
if (process.argv.includes('--check')) {
  const found = readdirSync(directory).sort();
  const differing = [...files].filter(
    ([file, bytes]) => !found.includes(file) || !readFileSync(directory + file).equals(bytes),
  );
  const extra = found.filter((file) => !files.has(file));
  if (differing.length > 0 || extra.length > 0) {
    throw new Error(`Vectors differ: ${[...differing.map(([file]) => file), ...extra].join(', ')}`);
  }
} else {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const [file, bytes] of files) writeFileSync(directory + file, bytes);
}
console.log(`${files.size} vectors`);
