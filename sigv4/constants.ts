/**
 * The fixed words of Signature Version 4 as S3 uses them.
 *
 * Source: AWS documentation, "Authenticating Requests (AWS Signature Version 4)" and "Signature Calculations for the
 * Authorization Header: Transferring Payload in Multiple Chunks".
 */
export const ALGORITHM = 'AWS4-HMAC-SHA256';
export const CHUNK_ALGORITHM = 'AWS4-HMAC-SHA256-PAYLOAD';
export const TRAILER_ALGORITHM = 'AWS4-HMAC-SHA256-TRAILER';
/** The asymmetric variant, which Sealgate does not speak. */
export const SIGV4A_ALGORITHM = 'AWS4-ECDSA-P256-SHA256';

export const SERVICE = 's3';
export const TERMINATOR = 'aws4_request';

export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';
export const UNSIGNED_TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
export const SIGNED_CHUNKS = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
export const SIGNED_CHUNKS_TRAILER = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER';

/** SHA-256 of nothing, in hex: the middle line of every chunk's string to sign. */
export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** Milliseconds by which a request's time may differ from the server's. */
export const MAX_SKEW_MS = 15 * 60 * 1000;
/** Seconds for which a presigned URL may be valid: seven days. */
export const MAX_EXPIRES_SECONDS = 604_800;
/** Characters of an access key id. Sealed ids are the longest there are. */
export const MAX_ACCESS_KEY_ID_CHARS = 128;
