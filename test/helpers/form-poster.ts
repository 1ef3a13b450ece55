/** Posts browser forms at a bench: signed fields, the file, and whatever a test changes of them. */
import type { Bench } from './bench.ts';
import { type FilePart, FORM_TYPE, type FormField, type FormOptions, formBody, signedFields } from './form.ts';
import type { TestTenant } from './proxy.ts';
import { objectPath, type RawReply, sendRaw } from './raw-client.ts';

export interface Posted extends Partial<FormOptions> {
  readonly as?: TestTenant;
  readonly file?: Partial<FilePart>;
  /** Changes the signed fields. */
  readonly change?: (fields: Record<string, string>) => Record<string, string>;
  readonly after?: readonly FormField[];
  readonly body?: (whole: Buffer) => Buffer;
}

export interface FormPoster {
  formOf(o: Posted): Buffer;
  /** To the bucket, unless the method or the target says otherwise. */
  post(o: Posted, to?: { method?: string; target?: string }): Promise<RawReply>;
  /** Of the object, by a signed request. */
  read(key: string, method?: string): Promise<RawReply>;
}

export function formPoster(bench: () => Bench): FormPoster {
  function formOf(o: Posted): Buffer {
    const { bucket, tenant } = bench();
    const fields = signedFields(o.as ?? tenant, { bucket, fields: { key: 'posted' }, ...o });
    const entries = Object.entries(o.change?.(fields) ?? fields);
    const file = { content: 'the file', fileName: 'my file.txt', ...o.file };
    const whole = formBody(entries, file, o.after);
    return o.body?.(whole) ?? whole;
  }

  return {
    formOf,
    post(o, { method = 'POST', target = `/${bench().bucket}` } = {}) {
      const body = formOf(o);
      const { endpoint } = bench().proxy;
      const headers = [
        ['host', new URL(endpoint).host],
        ['content-type', FORM_TYPE],
        ['content-length', String(body.length)],
      ] as const;
      return sendRaw(endpoint, { method, target, headers, body });
    },
    read: (key, method = 'GET') => bench().send({ method, path: objectPath(bench().bucket, key) }),
  };
}
