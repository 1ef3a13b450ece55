/**
 * Every bound in one place, each with its unit and the reason for its value. Format limits (segment, part, key sizes of
 * the ciphertext) are in crypto/layout.ts; these are the proxy's own and S3's.
 */
import { MAX_SMALL_BYTES } from '../crypto/stored-length.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** Bytes of plaintext up to which a body is buffered whole and stored with one request, all attributes in its header. */
export const SMALL_BODY_BYTES = MAX_SMALL_BYTES;
/** Bytes of plaintext sealed or opened in one go: several segments in a row amortise calls, without much memory per stream. */
export const BATCH_BYTES = 512 * KiB;
/** Bytes of plaintext from which on a body's MD5 is computed on another thread: for smaller ones the messages cost more. */
export const MD5_THREAD_BYTES = 2 * MiB;
/** Threads for MD5s per process, fewer on few cores: one does 0.5 GB/s, two more than a process otherwise takes in. */
export const MD5_THREADS = 2;
/** Blocks of shared memory per stream: one is filled while another is hashed. Each is one batch (BATCH_BYTES), sealed where it lies. */
export const MD5_BLOCKS = 2;
export const MD5_BLOCK_BYTES = 512 * KiB;
/** Streams at once whose MD5 is computed on threads: 32 MiB of shared memory per process at most. */
export const MD5_STREAMS = 32;
/** Streams whose blocks are kept for later ones: 8 MiB. */
export const MD5_SPARE_STREAMS = 8;
/** Milliseconds after the last large body for which those threads and that memory, 20 MiB and more, are kept. */
export const MD5_IDLE_MS = 30_000;
/** Bytes of a body that wait to be sent on a connection before its producer is held back: one batch, sent in few calls. */
export const WRITE_AHEAD_BYTES = 512 * KiB;
/** S3: largest single PUT, largest part, bytes of plaintext. */
export const MAX_PUT_BYTES = 5 * GiB;
/** S3: smallest part that is not the last, bytes of plaintext. */
export const MIN_PART_BYTES = 5 * MiB;
/** S3: highest part number. */
export const MAX_PART_NUMBER = 10_000;
/** S3: object key, bytes of UTF-8. */
export const MAX_KEY_BYTES = 1024;
/** S3: user metadata, bytes of names and values. */
export const MAX_USER_METADATA_BYTES = 2 * KiB;
/** S3: all request headers, bytes. Node refuses beyond it; the target of a presigned URL counts too. */
export const MAX_REQUEST_HEAD_BYTES = 24 * KiB;
/** XML request documents: DeleteObjects with 1,000 keys of 1,024 bytes, each character escaped, stays below. */
export const MAX_XML_BODY_BYTES = 8 * MiB;
/** Elements inside each other in an XML document: S3's own are ten deep at most. */
export const MAX_XML_DEPTH = 64;
/** Listings and error documents of a backend, bytes. */
export const MAX_BACKEND_XML_BYTES = 16 * MiB;
/** S3: keys in one DeleteObjects, rows in one list page. */
export const MAX_LIST_KEYS = 1000;
/** Look-ups of attributes under way at once for one listing: 1,000 keys take 16 round trips to the backend. */
export const LIST_LOOKUPS_AT_ONCE = 64;
/** Unknown rows of a page from which on a store that can is asked for the page with metadata, in place of one request each. */
export const LIST_DESCRIBED_ROWS = 16;
/** And for all listings of a process: half of BACKEND_SOCKETS, so that reads and writes go on beside them. */
export const LOOKUPS_AT_ONCE = 256;
/** Bytes of memory for footers and part tables that were opened: about 2 KB for a footer, 5 MB for a table of 10,000 parts. */
export const ATTRIBUTES_CACHE_BYTES = 16 * MiB;
/** Bytes of memory for what listings show of objects: about 200 for each. */
export const LISTED_ATTRIBUTES_BYTES = 12 * MiB;
/** Bytes of bodies after which what they left behind is collected. */
export const YOUNG_BUFFER_BYTES = 16 * MiB;
/** Bytes of memory for pages of listings as they were sent: about 350 KB for 1,000 keys of usual length. */
export const LISTED_PAGES_BYTES = 8 * MiB;
/** Bytes of memory for opened object headers, about 4,000 each: HEAD and ranged GETs of one object open it once. */
export const OPENED_HEADERS_BYTES = 4 * MiB;
/** Bytes of memory for what the backend last said of objects, and milliseconds for which it is a good guess. */
export const RECENT_OBJECTS_BYTES = 4 * MiB;
export const RECENT_OBJECT_TTL_MS = 60_000;
/** Bytes that a request reserves whatever it does: its head, its reply's head, the objects around them. */
export const REQUEST_MEMORY_BYTES = 64 * KiB;
/** Bytes that a streamed body holds at once: a batch as it comes in, the same opened or sealed, and two sockets' buffers. */
export const STREAM_MEMORY_BYTES = 2 * MiB;
/** Bytes for one page of a listing: 1,000 keys of 1,024 bytes as a document, as rows, and as the reply. */
export const LISTING_MEMORY_BYTES = 8 * MiB;
/** Bytes for looking at a multipart upload: 10,000 parts with a receipt of 400 bytes each, as documents and as rows. */
export const UPLOAD_VIEW_MEMORY_BYTES = 24 * MiB;
/** Bytes of the memory budget of a process at least, and by default at most; between them, a share of what the machine has. */
export const MIN_MEMORY_BUDGET_BYTES = 32 * MiB;
export const DEFAULT_MEMORY_BUDGET_BYTES = GiB;
/** The default budget of all workers together is the machine's memory, or the container's, divided by this. */
export const MEMORY_BUDGET_DIVISOR = 4;
/** Times what is free that one tenant may hold and still get more: alone it fills three quarters, two fill six sevenths. */
export const TENANT_MEMORY_MULTIPLE = 3;
/** The same for one presigned URL or signed form: alone it fills half. */
export const LINK_MEMORY_MULTIPLE = 1;
/** Milliseconds for which a request waits for memory before it gets SlowDown; clients wait longer than that for a reply. */
export const MEMORY_WAIT_MS = 5_000;
/** Requests that wait for memory at once; further ones get SlowDown at once. */
export const MEMORY_WAITING = 1_000;
/** Bytes that a request body must bring in each window in which the proxy waits for it, and that window in milliseconds. */
export const BODY_PROGRESS_BYTES = 60 * KiB;
export const BODY_PROGRESS_WINDOW_MS = 60_000;
/**
 * Bytes that a client must take of a reply in each window in which the proxy waits for it; that window in milliseconds; and the
 * window while requests wait for memory. The operating system takes up to a few megabytes more than the client has read, and a
 * megabyte and more at once: shorter windows would cut clients that only read slowly.
 */
export const REPLY_PROGRESS_BYTES = 60 * KiB;
export const REPLY_PROGRESS_WINDOW_MS = 120_000;
export const REPLY_PROGRESS_SCARCE_MS = 20_000;
/** Milliseconds between two looks at connections, at bodies that come in and at replies that go out. */
export const CONNECTION_CHECK_MS = 1_000;
/** The listener counts as full, once it was, until this part of its connections is free again: one in so many. */
export const FREE_CONNECTIONS_DIVISOR = 10;
/** Connections beyond MAX_CONNECTIONS that are told SlowDown; further ones are closed without a word. */
export const REFUSED_CONNECTIONS = 256;
/** Seconds after its last check for which an opened keyring is trusted. */
export const KEYRING_TTL_SECONDS = 60;
/** Opened tenants kept per process. */
export const KEYRING_CACHE_ENTRIES = 10_000;
/** Slow key derivations (argon2id, pbkdf2) under way at once per process; each argon2id takes 19 MiB. */
export const SLOW_KDF_AT_ONCE = 2;
/** Slow key derivations waiting; further ones get 503. */
export const SLOW_KDF_QUEUE = 64;
/** Milliseconds for a TLS handshake, for a request's head to arrive, and for a socket to stay idle between requests. */
export const HEAD_TIMEOUT_MS = 30_000;
export const IDLE_TIMEOUT_MS = 120_000;
/** Milliseconds for which what follows a refusal is still read and ignored, so that its sender sees the refusal and not a reset. */
export const UNREAD_BODY_LINGER_MS = 5_000;
/** Open client connections per process. */
export const MAX_CONNECTIONS = 4096;
/** Milliseconds without a byte from the backend, and for a connection to it. */
export const BACKEND_IDLE_TIMEOUT_MS = 60_000;
export const BACKEND_CONNECT_TIMEOUT_MS = 5_000;
/** Sockets to the backend kept per process. */
export const BACKEND_SOCKETS = 512;
/** Milliseconds to wait for the backend's 100 Continue before the body is sent all the same. */
export const BACKEND_CONTINUE_MS = 1_000;
/** Milliseconds without a byte while a store copies or joins parts: it may be silent until the data has moved. */
export const BACKEND_COPY_TIMEOUT_MS = 600_000;
/** Milliseconds for which an unused connection to the backend is kept; stores close theirs after 5 to 60 s. */
export const BACKEND_KEEP_ALIVE_MS = 4_000;
/** Milliseconds within which a kept connection that the store had closed shows that it is dead; later it is an answer that is lost. */
export const BACKEND_STALE_MS = 5_000;
/** Bytes of memory that heads and small bodies of all connections to the backend are read into; what is kept is copied. */
export const BACKEND_SHARED_READ_BYTES = 64 * KiB;
/** Bytes of memory that a larger body is read into, its pieces handed on as they lie; and how much of it a read must find. */
export const BACKEND_READ_BYTES = 256 * KiB;
export const BACKEND_LEAST_READ_BYTES = 32 * KiB;
/**
 * Bytes of the blocks that bodies are read into whose reader gives them back: a batch (BATCH_BYTES) as it is sealed, or a page
 * of a listing; and how many of them are kept for later bodies.
 */
export const BACKEND_BLOCK_BYTES = 528 * KiB;
export const BACKEND_SPARE_BLOCKS = 16;
/** Bytes of an answer nobody wants that are still read, so that the connection can be used again. */
export const BACKEND_DRAIN_BYTES = 64 * KiB;
/** Error documents of a backend, bytes. */
export const MAX_BACKEND_ERROR_BYTES = 256 * KiB;
/** TLS sessions with the backend that are kept to be resumed, by host name: a virtual-host style bucket has its own. */
export const BACKEND_TLS_SESSIONS = 100;
/** All headers of a backend's response, those of interim responses before it included, bytes. */
export const MAX_BACKEND_HEAD_BYTES = 32 * KiB;
/** A keyring, bytes. It is fetched on a tenant's first request and checked in memory. */
export const MAX_KEYRING_BYTES = 256 * KiB;
/** Bytes read of a file that holds a key, and of one with the headers of an object, which commands are given. */
export const MAX_SECRET_FILE_BYTES = 64 * KiB;
export const MAX_HEADERS_FILE_BYTES = MiB;
/** API keys in use, epochs listed, removed slots remembered in one keyring; grants of one slot. */
export const MAX_KEYRING_SLOTS = 64;
export const MAX_KEYRING_EPOCHS = 64;
export const MAX_REMOVED_SLOTS = 1000;
export const MAX_SLOT_GRANTS = 100;
/** Characters of the label of a key. */
export const MAX_KEY_LABEL_CHARACTERS = 64;
/** Removed slots that stay named in a keyring when it is changed with its root key at hand, so that it can rotate for ever. */
export const KEPT_REMOVED_SLOTS = 20;
/** Registered access key ids of one slot: the one in use, and older ones while clients change over. */
export const MAX_REGISTERED_IDS = 4;
/** Registered access key ids kept per process with their sealed records: about 1 KiB each. */
export const REGISTERED_IDS_CACHED = 10_000;
/** Sealed access key ids kept per process with the tenant and slot that they name: about 1 KiB each. */
export const SEALED_IDS_CACHED = 10_000;
/** Characters of an API key brought along, at least: 22 random ones of base64 hold 2^128. */
export const MIN_IMPORTED_CHARACTERS = 22;
/** log2 of the guesses that it must be estimated to withstand; HMAC runs at 2^34 a second on one graphics card. */
export const MIN_IMPORTED_GUESS_BITS = 80;
/** Characters of it that are estimated: the time grows with their square. */
export const MAX_ESTIMATED_CHARACTERS = 100;
/** Times that a change of a keyring is applied again, because another change was written first. */
export const KEYRING_CHANGE_ATTEMPTS = 8;
/** A command that changes keys, milliseconds: imported keys are derived slowly, and a state bucket may be far away. */
export const KEY_COMMAND_TIMEOUT_MS = 120_000;
/** Milliseconds for a command to look for the state bucket, and to make it. */
export const STATE_BUCKET_TIMEOUT_MS = 10_000;
/** To learn what became of a write of a keyring whose answer was lost, milliseconds: even when its caller has given up. */
export const KEYRING_LOOK_AFTER_MS = 10_000;
/** A derivation that is made stronger in the background, milliseconds. */
export const KDF_UPGRADE_TIMEOUT_MS = 60_000;
/** Milliseconds until a server tries again, at a request of the key. */
export const KDF_UPGRADE_RETRY_MS = 5 * 60_000;
/**
 * Age, seconds, from which `sealgate gc` takes the record of a registered access key id that no key lists for left over: it is
 * written a moment before its key is, and a command takes two minutes at most. The rest is for clocks that differ.
 */
export const ORPHANED_ID_AGE_SECONDS = 86_400;
/** Records of keys' last use (SEALGATE_LAST_USED): keys remembered as noted per process, about 150 bytes each. */
export const LAST_USED_REMEMBERED = 100_000;
/** Reads and writes of them under way at once per process: requests have the backend's connections to themselves, nearly. */
export const LAST_USED_AT_ONCE = 4;
/** Uses that wait to be written, as after midnight; further ones are noted after a later use of the same key. */
export const LAST_USED_WAITING = 10_000;
/** Milliseconds for one of them, and until it is tried again after a failure. */
export const LAST_USED_TIMEOUT_MS = 5_000;
export const LAST_USED_RETRY_MS = 60_000;
/** Attempts at one of them when other processes write it at the same moment: the day is the same for all, so two do. */
export const LAST_USED_ATTEMPTS = 3;
/** Such records that a command reads at once; a tenant has MAX_KEYRING_SLOTS at most. */
export const LAST_USED_READS_AT_ONCE = 8;
/** One such record, bytes: about 130 are written. */
export const MAX_LAST_USED_RECORD_BYTES = 512;
/** Milliseconds between readings of one keyring for keys that it does not list: a key made elsewhere works at once, and a
 * revoked one costs ten conditional requests a second at most. */
export const UNKNOWN_SLOT_RECHECK_MS = 100;
/** Tenants whose highest keyring generation is remembered per process: about 150 bytes each. */
export const REMEMBERED_GENERATIONS = 100_000;
/** One record in the state bucket, bytes: keyrings, upload records. */
export const MAX_STATE_RECORD_BYTES = 8 * MiB;
/** Bytes from the end of a large object that are fetched for its attributes: enough for all but unusual metadata. */
export const FOOTER_GUESS_BYTES = 8 * KiB;
/** S3: largest object that one PUT stores, bytes of ciphertext. Longer ones go up in parts. */
export const MAX_STORED_PUT_BYTES = 5 * GiB;
/** Bytes of one such part. */
export const UPSTREAM_PART_BYTES = GiB;
/** Milliseconds to abort the upload at the backend of an object that could not be stored. */
export const UPLOAD_ABORT_TIMEOUT_MS = 10_000;
/** Milliseconds to abort a new upload whose record could not be written. */
export const UPLOAD_ABANDON_TIMEOUT_MS = 5_000;
/** Attempts at a CompleteMultipartUpload under which the upload changes. */
export const COMPLETE_ATTEMPTS = 5;
/** Milliseconds to remove the records of an upload that is complete. */
export const UPLOAD_FORGET_TIMEOUT_MS = 60_000;
/** Attempts at an object that is replaced while it is read. */
export const READ_ATTEMPTS = 4;
/** Embedded store: bodies up to this many bytes are kept inside the index; larger ones are files. */
export const LOCAL_INLINE_BYTES = 64 * KiB;
/** Embedded store: bytes per read and per write of a blob file. */
export const LOCAL_IO_BYTES = 512 * KiB;
/** Embedded store: mutations in one transaction; at most 16 MiB of inline bodies. */
export const LOCAL_GROUP_COMMIT = 256;
/** Embedded store: milliseconds to wait for the write lock of another process. */
export const LOCAL_LOCK_WAIT_MS = 30_000;
/** Embedded store: milliseconds that SQLite itself waits for a lock, outside the writer's own wait. */
export const LOCAL_BUSY_MS = 10_000;
/** Embedded store: blob files opened up front for one read; a read over more pins them in the index instead. */
export const LOCAL_OPEN_FILES_PER_READ = 8;
/** Embedded store: times that a lookup is repeated because its body was replaced meanwhile. */
export const LOCAL_LOOKUP_ATTEMPTS = 8;
/** Embedded store: milliseconds for which unlinked files are remembered before the index forgets them in one commit. */
export const LOCAL_FORGET_DELAY_MS = 1_000;
/** Embedded store: buckets in one answer of ListBuckets. */
export const LOCAL_LISTED_BUCKETS = 10_000;
/** Embedded store, as S3: tags of an object. */
export const LOCAL_OBJECT_TAGS = 10;
/** Embedded store, as S3: tags of a bucket. */
export const LOCAL_BUCKET_TAGS = 50;
/** Embedded store, as S3: the key of a tag, characters. */
export const LOCAL_TAG_KEY_CHARACTERS = 128;
/** Embedded store, as S3: the value of a tag, characters. */
export const LOCAL_TAG_VALUE_CHARACTERS = 256;
/** aws-chunked: bytes of a chunk's header line; 16 digits of size and a signature take 99. */
export const MAX_CHUNK_HEADER_BYTES = 128;
/** aws-chunked: bytes after the final chunk; one checksum and a signature take about 200. */
export const MAX_TRAILER_BYTES = KiB;
/** Opened records of multipart uploads kept per process. */
export const UPLOAD_RECORDS_CACHED = 2_000;
/** Copies inside the backend under way at once for one object. */
export const COPY_PARTS_AT_ONCE = 4;
/** XML documents of bucket and object configuration, bytes; S3's own largest, a lifecycle of 1,000 rules, is below. */
export const MAX_CONFIGURATION_BYTES = MiB;
/** S3: fields of a POST form in front of the file, bytes; and how many of them. */
export const MAX_FORM_FIELD_BYTES = 20 * KiB;
export const MAX_FORM_FIELDS = 200;
/** Everything in front of a form's file, boundaries and part headers included, bytes: 500 around each of 200 fields. */
export const MAX_FORM_PREAMBLE_BYTES = 120 * KiB;
/** Forms per process whose fields are coming in: about 120 KB each, from senders of whom nothing is known yet. */
export const UNSIGNED_FORMS_AT_ONCE = 512;
/** Bytes of ciphertext held before each part of an upload of unknown length is sent. */
export const UNKNOWN_LENGTH_PART_BYTES = 8 * MiB;
/** Milliseconds for which a bucket's CORS rules are believed, and how many buckets are remembered per process. */
export const CORS_TTL_MS = 30_000;
export const CORS_CACHE_ENTRIES = 1_000;
/** Milliseconds to fetch them. */
export const CORS_FETCH_TIMEOUT_MS = 5_000;
/** Milliseconds after which a slow operation's reply begins, and between the spaces that keep it alive; boto3 waits 60 s. */
export const LATE_REPLY_SILENCE_MS = 10_000;
/** `<` in one XML document: CompleteMultipartUpload with 10,000 parts of four elements each has 80,000. */
export const MAX_XML_TAGS = 120_000;
/** Characters from a `<` to the next `>`: a CDATA section with a key of 1,024 bytes, each an entity, is below. */
export const MAX_XML_MARKUP_CHARACTERS = 8 * KiB;
/** The document of a CreateBucket, bytes. */
export const MAX_CREATE_BUCKET_BYTES = 64 * KiB;
/** Fetches of CORS rules under way at once per process: the only backend requests that nobody has to sign for. */
export const CORS_FETCHES_AT_ONCE = 8;
/** Objects that `sealgate decrypt` opens at once: enough to hide a store's latency, few enough for small machines. */
export const DECRYPT_AT_ONCE = 8;
/** Milliseconds for adding an escrow to one keyring in the background: a read, a write, and their repetition after conflicts. */
export const ESCROW_TIMEOUT_MS = 30_000;
/** Objects that a deep rotation re-wraps at once: copies wait for the store, not for this process. */
export const REWRAPS_AT_ONCE = 16;
/** Times that one object is tried again because it was replaced meanwhile, before it is left to the next pass. */
export const REWRAP_ATTEMPTS = 4;
/** Objects that could not be re-wrapped that a deep rotation names; the others are counted. */
export const REWRAP_FAILURES_NAMED = 100;
/** Objects one after the other for which the store failed, before a deep rotation is given up. */
export const REWRAP_OUTAGES = 2 * REWRAPS_AT_ONCE;
/** Passes of a deep rotation that found something to do, before what goes on is left to a later run. */
export const REWRAP_PASSES = 4;
/** Seconds that a request may last which began under an older epoch; only then is that epoch's root key given up. A day. */
export const LONGEST_REQUEST_SECONDS = 86_400;
/** Seconds after which a request that writes is cut: sooner, by the time that a store may take to finish what it was sent. */
export const LONGEST_WRITE_SECONDS = 85_000;
/** Retired epochs that stay listed in a keyring. */
export const KEPT_RETIRED_EPOCHS = 8;
