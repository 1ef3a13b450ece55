/**
 * S3's sub-resources: query parameters that select another operation (S3 API reference). `versionId`, `partNumber` alone and the
 * like do not. One list for the router of clients' requests and for the embedded store: a name that only one of them knew would
 * be refused at one place and mean nothing at the other.
 */
export const SUBRESOURCES: ReadonlySet<string> = new Set([
  'abac', 'accelerate', 'acl', 'analytics', 'annotation', 'append', 'attributes', 'cors', 'delete', 'encryption', 'events',
  'intelligent-tiering', 'inventory', 'legal-hold', 'lifecycle', 'list-type', 'location', 'logging', 'metadataConfiguration',
  'metadataTable', 'metadataInventoryTable', 'metadataJournalTable', 'metrics', 'notification', 'object-lock',
  'ownershipControls', 'policy', 'policyStatus', 'publicAccessBlock', 'renameObject', 'replication', 'requestPayment',
  'restore', 'retention', 'select', 'select-type', 'session', 'tagging', 'torrent', 'uploadId', 'uploads', 'versioning',
  'versions', 'website',
]); // biome-ignore format: a list of names reads best packed
