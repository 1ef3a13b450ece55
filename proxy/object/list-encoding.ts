/** `encoding-type=url` as S3 writes it: UTF-8 percent-encoded but for A-Z a-z 0-9 - _ . * and '/', a space as '+'. */
export function encodeListed(text: string, o: { encode: boolean }): string {
  if (!o.encode || /^[A-Za-z0-9/_.-]*$/.test(text)) return text;
  return encodeURIComponent(text)
    .replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
    .replaceAll('%2F', '/');
}
