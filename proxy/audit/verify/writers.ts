/** The segments of each writer, one after the other: each names the hash of the one before, counts on, and ends with a last one. */
import { AUDIT_SILENT_WRITER_MS } from '../../audit-limits.ts';
import { minuteStart, type SegmentHeader, type SegmentName } from '../format/segment.ts';
import type { TellFinding } from './findings.ts';

interface Writer {
  readonly name: SegmentName;
  /** Undefined for a segment that was removed after its time: then its content is not known. */
  readonly header: SegmentHeader | undefined;
}

export class Writers {
  readonly #tell: TellFinding;
  /** Writers may have begun before what is looked at. */
  readonly #isPart: boolean;
  readonly #last = new Map<string, Writer>();

  constructor(o: { tell: TellFinding; isPart: boolean }) {
    this.#tell = o.tell;
    this.#isPart = o.isPart;
  }

  /** `header`: undefined when the segment is not there to be read. `label`: its name, for what is found. */
  next(name: SegmentName, header: SegmentHeader | undefined, label: string): void {
    const before = this.#last.get(name.boot);
    if (before !== undefined && name.seq <= before.name.seq) {
      this.#tell('segment-repeated', label, `segment ${name.seq} of the writer stands in the log already`);
      return;
    }
    this.#last.set(name.boot, { name, header });
    if (before === undefined) {
      if (name.seq > 0 && !this.#isPart) this.#gap(label, 0, name.seq - 1);
      return;
    }
    if (before.header?.final === 'yes') this.#tell('writer-went-on', label, 'its writer had ended before');
    if (name.seq > before.name.seq + 1) this.#gap(label, before.name.seq + 1, name.seq - 1);
    else this.#compare(before, header, label);
  }

  /** Writers that never said that they ended, and have been silent for long. */
  finish(now: Date): { readonly open: number } {
    let open = 0;
    for (const { name, header } of this.#last.values()) {
      if (header === undefined || header.final === 'yes') continue;
      const silent = now.getTime() - minuteStart(name.minute) >= AUDIT_SILENT_WRITER_MS;
      if (!silent) open += 1;
      else
        this.#tell(
          'writer-ended',
          name.boot,
          `no last segment: events after ${header.last || name.minute} may be missing`,
        );
    }
    return { open };
  }

  #gap(label: string, from: number, to: number): void {
    const which = from === to ? `segment ${from}` : `segments ${from} to ${to}`;
    this.#tell('segment-gap', label, `${which} of the writer before it are missing`);
  }

  #compare(before: Writer, header: SegmentHeader | undefined, label: string): void {
    if (header === undefined) return;
    if (header.previous !== before.name.sha256) {
      this.#tell('segment-out-of-chain', label, 'it names another segment before it than the one that is there');
    }
    if (before.header !== undefined && header.total !== before.header.total + header.events) {
      this.#tell(
        'count-wrong',
        label,
        `it counts ${header.total} events, ${before.header.total + header.events} are there`,
      );
    }
  }
}
