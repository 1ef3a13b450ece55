/** A form upload as a request. Its fields take the place of the headers of a PUT, so later stages read both in one way. */
import { S3Error } from '../errors.ts';
import { toHeaderValue } from '../http/header-text.ts';
import type { S3Request } from '../http/request.ts';
import { parseXml } from '../xml/render-xml.ts';
import type { UploadForm } from './read-form.ts';

/** Fields that mean a header of another name. */
const RENAMED: ReadonlyMap<string, string> = new Map([['acl', 'x-amz-acl']]);

/** Fields with a meaning of their own. They are no headers. */
const NOT_HEADERS =
  /^(key|policy|file|tagging|success_action_.*|redirect|bucket|x-ignore-.*|x-amz-(algorithm|credential|date|security-token|signature))$/;

/**
 * @throws S3Error InvalidArgument without a key, or for a field that no header can be: replies could not carry it back.
 * KeyTooLongError is the caller's to check.
 */
export function formRequest(request: S3Request, form: UploadForm): S3Request & { readonly key: string } {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the form's own placeholder
  const key = form.fields.get('key')?.replaceAll('${filename}', form.fileName);
  if (key === undefined || key === '') {
    throw new S3Error('InvalidArgument', "Bucket POST must contain a field named 'key'.", {
      details: { ArgumentName: 'key' },
    });
  }
  const headers = new Map<string, string>();
  for (const [name, value] of form.fields) {
    if (!NOT_HEADERS.test(name)) headers.set(RENAMED.get(name) ?? name, toHeaderValue(name, value.trim()));
  }
  const tagging = form.fields.get('tagging');
  if (tagging !== undefined) headers.set('x-amz-tagging', taggingHeader(tagging));
  // The connection says where the form was sent, and no field does.
  const header = (name: string) => (name === 'host' ? request.header(name) : headers.get(name));
  return { ...request, key, header, headerNames: () => [...headers.keys()] };
}

/** The Tagging document of a form, as the header writes it. @throws S3Error MalformedXML */
function taggingHeader(document: string): string {
  const tags = parseXml(document, 'Tagging').child('TagSet')?.children('Tag') ?? [];
  return new URLSearchParams(
    tags.map((tag): [string, string] => [tag.value('Key') ?? '', tag.value('Value') ?? '']),
  ).toString();
}
