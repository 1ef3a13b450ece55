/**
 * `npm run build`: the program as few files in dist/, which the npm package and the image run. One file starts in a third of the
 * time that a thousand modules take. Beside it lie the scripts of its threads, and the licences of what is bundled. The native
 * CRC module cannot be bundled and stays a dependency. `node deploy/bundle.ts DIRECTORY` writes elsewhere.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const [, , OUT = join(ROOT, 'dist')] = process.argv;
const ENTRIES = ['proxy/main.ts', 'proxy/body/md5-thread.ts', 'proxy/backend/local/writer-thread.ts'];
const NATIVE = ['@node-rs/crc32'];
/** Bundled CommonJS modules ask for Node's own by `require`, which ES modules do not have. */
const REQUIRE =
  "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);";

rmSync(OUT, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: ENTRIES,
  outdir: OUT,
  entryNames: '[name]',
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  external: NATIVE,
  banner: { js: REQUIRE },
  legalComments: 'none',
  metafile: true,
});
writeFileSync(join(OUT, 'THIRD-PARTY-LICENSES.txt'), licences(metafile));

/** The licence of each package that went in, by name. @throws when one has none */
function licences({ inputs }: Metafile): string {
  const places = Object.keys(inputs).flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []);
  const texts = [...new Set(places)].sort().map((place) => {
    const { name, version, license } = JSON.parse(readFileSync(join(ROOT, place, 'package.json'), 'utf8')) as Record<
      string,
      string
    >;
    const file = readdirSync(join(ROOT, place)).find((one) => /^licen[cs]e/i.test(one));
    if (license === undefined) throw new Error(`${name} says no licence`);
    const text = file === undefined ? `Licence: ${license}` : readFileSync(join(ROOT, place, file), 'utf8').trim();
    return `${name} ${version} (${license})\n\n${text}`;
  });
  return `${texts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}
