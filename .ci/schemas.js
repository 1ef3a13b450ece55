// node .ci/schemas.js DIRECTORY: schemas for kubeconform, out of package registries: Kubernetes' own from PyPI (kubernetes-validate),
// those of the Prometheus operator and of cert-manager from their Go modules. DIRECTORY gets a folder for each version of Kubernetes.
// Needs pip, Python and Go. Prints the folders.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';

const VALIDATE = 'kubernetes-validate==1.37.0';
// The oldest that the chart takes, and the newest that there is.
const VERSIONS = ['1.29.0', '1.37.0'];
const KINDS = [
  'deployment-apps-v1',
  'horizontalpodautoscaler-autoscaling-v2',
  'networkpolicy-networking-v1',
  'pod-v1',
  'poddisruptionbudget-policy-v1',
  'secret-v1',
  'service-v1',
  'serviceaccount-v1',
];
const CUSTOM = [
  {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    files: ['servicemonitors', 'prometheusrules'].map(
      (name) => `example/prometheus-operator-crd/monitoring.coreos.com_${name}.yaml`,
    ),
  },
  { module: 'github.com/cert-manager/cert-manager@v1.21.2', files: ['deploy/crds/cert-manager.io_certificates.yaml'] },
];

const [, , given] = process.argv;
if (given === undefined) throw new Error('usage: node .ci/schemas.js DIRECTORY');
const out = resolve(given);
const scratch = mkdtempSync(join(tmpdir(), 'sealgate-schemas-'));
const run = (command, args) =>
  execFileSync(command, args, { cwd: scratch, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
try {
  run('python3', [
    '-m',
    'pip',
    'download',
    '--quiet',
    '--disable-pip-version-check',
    '--no-deps',
    '--dest',
    scratch,
    VALIDATE,
  ]);
  const [wheel] = readdirSync(scratch).filter((name) => name.endsWith('.whl'));
  run('python3', ['-m', 'zipfile', '-e', wheel, 'wheel']);
  const custom = CUSTOM.flatMap(customSchemas);
  for (const version of VERSIONS) {
    const from = join(scratch, `wheel/kubernetes_validate/kubernetes-json-schema/v${version}-local-strict`);
    const { $defs } = JSON.parse(readFileSync(join(from, '_definitions.json'), 'utf8'));
    mkdirSync(join(out, version), { recursive: true });
    for (const kind of KINDS) {
      const schema = JSON.parse(readFileSync(join(from, `${kind}.json`), 'utf8'));
      write(version, kind, inlined(schema, $defs));
    }
    for (const { name, schema } of custom) write(version, name, schema);
    process.stdout.write(`${join(out, version)}\n`);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function write(version, name, schema) {
  writeFileSync(join(out, version, `${name}.json`), JSON.stringify(schema));
}

/** The schema with the definitions that it needs, which other files hold. */
function inlined(schema, all) {
  const needed = {};
  const root = pointedInwards(schema);
  const waiting = [root];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const [, name] of JSON.stringify(next).matchAll(/"#\/\$defs\/([^"]+)"/g)) {
      if (needed[name] !== undefined) continue;
      needed[name] = pointedInwards(all[name]);
      waiting.push(needed[name]);
    }
  }
  return { ...root, $defs: needed };
}

/** References to the file of definitions, as references to those in the same file. */
function pointedInwards(schema) {
  return JSON.parse(JSON.stringify(schema).replaceAll(/"[^"]*_definitions\.json#/g, '"#'));
}

function customSchemas({ module, files }) {
  const { Dir } = JSON.parse(run('go', ['mod', 'download', '-json', module]));
  return files.flatMap((file) => {
    const [{ spec }] = parseAllDocuments(readFileSync(join(Dir, file), 'utf8')).map((document) => document.toJS());
    const [group] = spec.group.split('.');
    return spec.versions.map(({ name, schema }) => ({
      name: `${spec.names.kind.toLowerCase()}-${group}-${name}`,
      schema: strict(schema.openAPIV3Schema),
    }));
  });
}

/** What the cluster would drop in silence is refused. */
function strict(node) {
  if (Array.isArray(node)) return node.map(strict);
  if (typeof node !== 'object' || node === null) return node;
  const { 'x-kubernetes-int-or-string': either, ...rest } = node;
  const copy = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, strict(value)]));
  if (either === true) return { anyOf: [{ type: 'integer' }, { type: 'string' }] };
  const isClosed = node.properties !== undefined && node['x-kubernetes-preserve-unknown-fields'] !== true;
  // The root has apiVersion, kind and metadata of any shape.
  return isClosed && node.properties.apiVersion === undefined ? { ...copy, additionalProperties: false } : copy;
}
