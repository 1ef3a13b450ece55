/**
 * The path of the container-credentials endpoint (AWS SDKs and tools reference, "Container credential provider"). What follows the
 * prefix is a role's ARN without its beginning, and may open a tenant to whoever has the seal keys: it is taken off the path where
 * the request is read, and nothing that is logged has it. No bucket is called `v1`: names have three characters and more.
 */
const PREFIX = '/v1/credentials/';

/** What follows the prefix, as sent; `undefined` for any other path. */
export function credentialsRole(path: string): string | undefined {
  return path.startsWith(PREFIX) ? path.slice(PREFIX.length) : undefined;
}

/** The path as it may be shown. */
export function shownPath(path: string): string {
  return path.startsWith(PREFIX) ? PREFIX : path;
}
