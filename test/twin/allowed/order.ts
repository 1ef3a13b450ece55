/** The order in which S3 writes the elements of each document (S3 API reference, response syntax; replies of the service). */
const LISTED = 'MaxKeys Delimiter EncodingType IsTruncated Contents CommonPrefixes';

const ORDER: Readonly<Record<string, string>> = {
  ListBucketResult: `Name Prefix StartAfter ContinuationToken NextContinuationToken KeyCount Marker NextMarker ${LISTED}`,
  Contents: 'Key LastModified ETag ChecksumAlgorithm ChecksumType Size Owner StorageClass',
  Owner: 'ID DisplayName',
  Initiator: 'ID DisplayName',
  ListVersionsResult:
    'Name Prefix KeyMarker VersionIdMarker NextKeyMarker NextVersionIdMarker MaxKeys Delimiter EncodingType IsTruncated Version|DeleteMarker CommonPrefixes',
  'Version|DeleteMarker':
    'Key VersionId IsLatest LastModified ETag ChecksumAlgorithm ChecksumType Size StorageClass Owner',
  ListMultipartUploadsResult:
    'Bucket KeyMarker UploadIdMarker NextKeyMarker NextUploadIdMarker Prefix Delimiter MaxUploads EncodingType IsTruncated Upload CommonPrefixes',
  Upload: 'Key UploadId Initiator Owner StorageClass Initiated',
  ListPartsResult:
    'Bucket Key UploadId Initiator Owner StorageClass PartNumberMarker NextPartNumberMarker MaxParts IsTruncated ChecksumAlgorithm ChecksumType Part',
  Part: 'PartNumber LastModified ETag Size',
  PostResponse: 'Location Bucket Key ETag',
  CopyObjectResult: 'LastModified ETag ChecksumType',
  CopyPartResult: 'LastModified ETag',
  CompleteMultipartUploadResult: 'Location Bucket Key ETag',
  InitiateMultipartUploadResult: 'Bucket Key UploadId',
  GetObjectAttributesResponse: 'ETag Checksum ObjectParts StorageClass ObjectSize',
  Deleted: 'Key VersionId DeleteMarker DeleteMarkerVersionId',
};

/** Whether `names`, the children of the element that `path` ends with, stand in S3's order. */
export function isOrderOfS3(path: string, names: readonly string[]): boolean {
  const element = path.replace(/^.*\//, '').replace(/\[\d+\]$/, '');
  if (path === '/Error') return isOrderOfError(names);
  const order = ORDER[element]?.split(' ');
  if (order === undefined) return false;
  const places = names.map((name) => order.indexOf(name));
  return places.every((place, i) => place >= 0 && (i === 0 || place > (places[i - 1] ?? 0)));
}

/** Code and Message first, what the code has further, then what names the request. */
function isOrderOfError(names: readonly string[]): boolean {
  const first = names.filter((name) => name === 'Code' || name === 'Message');
  const last = names.filter((name) => /^(Resource|RequestId|HostId)$/.test(name));
  const others = names.filter((name) => !/^(Code|Message|Resource|RequestId|HostId)$/.test(name));
  return [...first, ...others, ...last].join() === names.join() && first.join() === 'Code,Message';
}
