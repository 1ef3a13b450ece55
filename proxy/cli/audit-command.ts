/** `sealgate audit ...`: the command put together with its settings, of which verify needs few, and the process it runs in. */
import { once } from 'node:events';
import { openCommandAudit } from '../audit/open-audit.ts';
import { pruneLimit, pruneSegments } from '../audit/prune.ts';
import { SegmentReader } from '../audit/segment-reader.ts';
import { Sequencer } from '../audit/sequencer.ts';
import { Signers } from '../audit/signers.ts';
import { audit as auditConfig } from '../config/audit-config.ts';
import { ConfigError, readSettings } from '../config/settings.ts';
import { parseStoreConfig } from '../config/store-config.ts';
import { recordedForCommand } from '../keyring/active-seal-key/recorded.ts';
import { resolveTenant } from '../keyring/admin/tenant-names.ts';
import { processKdfRunner } from '../keyring/slots/kdf.ts';
import { StateStore } from '../keyring/state/state.ts';
import { createLogger } from '../observe/log.ts';
import { openStorage } from '../runtime.ts';
import { AUDIT_SHAPES, AUDIT_USAGE, type AuditFiles, auditCommand } from './audit.ts';
import { parsedFirst } from './command-line.ts';
import { PROCESS_OUTPUT } from './process-output.ts';
import { quickstartSettings } from './quickstart.ts';

export async function runAuditCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  return parsedFirst(args, AUDIT_SHAPES, { ...PROCESS_OUTPUT, command: 'audit', usage: AUDIT_USAGE }, async () => {
    const { files, close } = await openFiles(environment);
    const ended = new AbortController();
    const end = () => ended.abort(new Error('stopped'));
    process.once('SIGINT', end).once('SIGTERM', end);
    try {
      const now = () => new Date();
      const { stdin } = process;
      return await auditCommand(args, { ...PROCESS_OUTPUT, files, write, stdin, now, signal: ended.signal });
    } finally {
      process.off('SIGINT', end).off('SIGTERM', end);
      await close();
    }
  });
}

/** As much as standard output takes: an export may be larger than memory. */
async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

async function openFiles(environment: NodeJS.ProcessEnv): Promise<{ files: AuditFiles; close: () => Promise<void> }> {
  const given = readSettings(environment);
  const settings = given['SEALGATE_BACKEND'] === undefined ? { ...quickstartSettings(), ...given } : given;
  const { state: where, sealKeys, ...config } = parseStoreConfig(settings);
  if (where === undefined) throw new ConfigError('SEALGATE_STATE', 'must be set');
  const ofAudit = auditConfig(settings);
  const { backend, state } = await openStorage({ ...config, state: where });
  const { region } = config;
  const store = ofAudit.store === undefined ? state : new StateStore({ backend, ...ofAudit.store, region });
  const log = createLogger({ level: 'error', destination: process.stderr });
  const now = () => new Date();
  if (sealKeys === undefined) {
    const refuse = async () => {
      throw new ConfigError('SEALGATE_SEAL_KEYS', 'or SEALGATE_SEAL_KEYS_FILE must be set');
    };
    const files = { store, reader: undefined, isOurs: undefined, resolveTenant: refuse, prune: refuse };
    return { files, close: () => backend.close() };
  }
  const signers = new Signers(sealKeys);
  const reader = new SegmentReader({ store, keys: { state, sealKeys } });
  const deps = { state, sealKeys, record: () => {}, now, runner: processKdfRunner };
  const files: AuditFiles = {
    store,
    reader,
    isOurs: (signer) => signers.find(signer) !== undefined,
    resolveTenant: (text, signal) => resolveTenant(deps, text, signal),
    async prune(days, signal) {
      await recordedForCommand({ state, sealKeys });
      const before = pruneLimit(now(), days ?? ofAudit.retentionDays);
      const isAuthentic = (name: string, within: AbortSignal) => reader.isAuthentic(name, within);
      const report = async () => {};
      const sequencer = new Sequencer({ store, signers, isAuthentic, now, log, report, publish: () => undefined });
      const command = openCommandAudit({ config: ofAudit, region, backend, state, sealKeys, log, now });
      const beforeRemoval = () => command.record({ kind: 'audit-pruned', detail: `Segments before ${before}` });
      try {
        return { before, ...(await pruneSegments(store, { before, sequencer, beforeRemoval }, signal)) };
      } finally {
        await command.close();
      }
    },
  };
  return { files, close: () => backend.close() };
}
