/**
 * Notices that files were replaced: secrets and certificates that Kubernetes, cert-manager or an agent renews. It polls, because
 * the renewed part is mostly a symbolic link somewhere above the file, and a watcher of the file does not see that.
 */
import { stat } from 'node:fs/promises';

export interface FileChanges {
  close(): void;
}

/** Calls `onChange` after each look that found one of the files changed, gone or come. `files` is asked before each look. */
export function watchFiles(o: {
  readonly files: () => readonly string[];
  readonly everyMs: number;
  readonly onChange: () => Promise<void>;
}): FileChanges {
  let known: string | undefined;
  let busy = false;
  const look = async () => {
    const found = (await Promise.all(o.files().map(fingerprint))).join('\n');
    const isNew = known !== undefined && known !== found;
    known = found;
    if (isNew) await o.onChange();
  };
  const tick = () => {
    if (busy) return;
    busy = true;
    void look().finally(() => {
      busy = false;
    });
  };
  tick();
  const timer = setInterval(tick, o.everyMs).unref();
  return { close: () => clearInterval(timer) };
}

/** Of the file at the end of all links. */
async function fingerprint(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${path} ${dev} ${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    return `${path} ${(error as NodeJS.ErrnoException).code ?? 'unreadable'}`;
  }
}
