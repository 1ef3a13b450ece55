/** User metadata as MinIO puts it into the rows of a listing that asks for it, from headers as HEAD has them. */
export function userMetadata(headers: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'));
  return Object.fromEntries(
    entries.map(([name, value]) => [name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase()), value]),
  );
}
