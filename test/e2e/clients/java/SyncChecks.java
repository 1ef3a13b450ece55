import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import software.amazon.awssdk.core.ResponseInputStream;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.ChecksumAlgorithm;
import software.amazon.awssdk.services.s3.model.ChecksumMode;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;

/** The synchronous client: ENDPOINT BUCKET MARKER SCALE STORE. Credentials come from the environment. */
public final class SyncChecks {
  private static S3Client s3;
  private static String bucket;

  public static void main(String[] arguments) {
    URI endpoint = URI.create(arguments[0]);
    bucket = arguments[1];
    Checks.marker = arguments[2];
    int scale = Integer.parseInt(arguments[3]);
    s3 = S3Client.builder().endpointOverride(endpoint).region(Region.US_EAST_1).forcePathStyle(true).build();
    checks(endpoint, scale);
    s3.close();
  }

  private static String put(String key, byte[] body) {
    return s3.putObject(put -> put.bucket(bucket).key(key), RequestBody.fromBytes(body)).eTag();
  }

  private static byte[] get(String key, String range) {
    return s3.getObjectAsBytes(get -> get.bucket(bucket).key(key).range(range)).asByteArray();
  }

  private static void checks(URI endpoint, int scale) {
    Checks.check("put, get, head and delete", () -> {
      int[] edges = {0, 1, 65535, 65536, 65537, Checks.MIB + 1, 3 * Checks.MIB + 5};
      for (int size : edges) {
        byte[] body = Checks.content(size);
        Checks.equal(put("edge", body), '"' + Checks.md5(body) + '"');
        Checks.equal(s3.headObject(head -> head.bucket(bucket).key("edge")).contentLength(), (long) size);
        Checks.same(get("edge", null), body);
      }
      s3.deleteObject(delete -> delete.bucket(bucket).key("edge"));
      Checks.refused("NoSuchKey", () -> get("edge", null));
      return edges.length + " sizes";
    });
    Checks.check("streams of known length, and a slow reader", () -> {
      byte[] body = Checks.content(scale * Checks.MIB + 3);
      s3.putObject(put -> put.bucket(bucket).key("stream"),
          RequestBody.fromInputStream(new ByteArrayInputStream(body), body.length));
      try (ResponseInputStream<GetObjectResponse> in = s3.getObject(get -> get.bucket(bucket).key("stream"))) {
        Checks.same(in.readAllBytes(), body);
      }
      return scale + " MiB";
    });
    Checks.check("ranges", () -> {
      byte[] body = Checks.content(200_001);
      put("range", body);
      Checks.same(get("range", "bytes=65530-65549"), java.util.Arrays.copyOfRange(body, 65530, 65550));
      Checks.same(get("range", "bytes=-77"), java.util.Arrays.copyOfRange(body, body.length - 77, body.length));
      put("nothing", new byte[0]);
      Checks.same(get("nothing", "bytes=-77"), new byte[0]);
      Checks.refused("InvalidRange", () -> get("range", "bytes=999999-"));
      return "the tail of an empty object, too";
    });
    Checks.check("every checksum", () -> {
      byte[] body = Checks.content(70_000);
      List<ChecksumAlgorithm> algorithms = List.of(ChecksumAlgorithm.CRC32, ChecksumAlgorithm.CRC32_C,
          ChecksumAlgorithm.SHA1, ChecksumAlgorithm.SHA256, ChecksumAlgorithm.CRC64_NVME);
      for (ChecksumAlgorithm algorithm : algorithms) {
        s3.putObject(put -> put.bucket(bucket).key("sum").checksumAlgorithm(algorithm), RequestBody.fromBytes(body));
        Checks.same(s3.getObjectAsBytes(get -> get.bucket(bucket).key("sum").checksumMode(ChecksumMode.ENABLED))
            .asByteArray(), body);
      }
      return algorithms.size() + " algorithms; the SDK compares what comes back";
    });
    Checks.check("multipart upload by hand, and a copied part", () -> {
      byte[] body = Checks.content(11 * Checks.MIB);
      String id = s3.createMultipartUpload(create -> create.bucket(bucket).key("parts")
          .metadata(Map.of("owner", Checks.marker))).uploadId();
      put("source", java.util.Arrays.copyOfRange(body, 0, 5 * Checks.MIB));
      List<CompletedPart> parts = new ArrayList<>();
      parts.add(CompletedPart.builder().partNumber(1).eTag(s3.uploadPartCopy(part -> part.sourceBucket(bucket)
          .sourceKey("source").destinationBucket(bucket).destinationKey("parts").uploadId(id).partNumber(1))
          .copyPartResult().eTag()).build());
      parts.add(CompletedPart.builder().partNumber(2).eTag(s3.uploadPart(part -> part.bucket(bucket).key("parts")
          .uploadId(id).partNumber(2),
          RequestBody.fromBytes(java.util.Arrays.copyOfRange(body, 5 * Checks.MIB, body.length))).eTag()).build());
      s3.completeMultipartUpload(done -> done.bucket(bucket).key("parts").uploadId(id)
          .multipartUpload(all -> all.parts(parts)));
      Checks.same(get("parts", null), body);
      Checks.equal(s3.headObject(head -> head.bucket(bucket).key("parts")).metadata().get("owner"), Checks.marker);
      return "2 parts";
    });
    Checks.check("listings, odd names and DeleteObjects", () -> {
      TreeSet<String> names = new TreeSet<>(List.of("list/a b+c", "list/\u00fc/\ud83d\ude00", "list/per%20cent", "list/x=1&y"));
      for (String name : names) put(name, Checks.content(500));
      TreeSet<String> found = new TreeSet<>();
      s3.listObjectsV2Paginator(list -> list.bucket(bucket).prefix("list/").maxKeys(3)).contents().forEach(row -> {
        Checks.equal(row.size(), 500L);
        found.add(row.key());
      });
      Checks.equal(found, names);
      List<ObjectIdentifier> doomed = names.stream().map(name -> ObjectIdentifier.builder().key(name).build()).toList();
      Checks.equal(s3.deleteObjects(delete -> delete.bucket(bucket).delete(all -> all.objects(doomed))).deleted().size(), 4);
      return null;
    });
    Checks.check("copies and conditions", () -> {
      byte[] body = Checks.content(3000);
      put("from \u00fc", body);
      s3.copyObject(copy -> copy.sourceBucket(bucket).sourceKey("from \u00fc").destinationBucket(bucket).destinationKey("to"));
      Checks.same(get("to", null), body);
      Checks.refused("PreconditionFailed", () -> s3.putObject(put -> put.bucket(bucket).key("to").ifNoneMatch("*"),
          RequestBody.fromBytes(body)));
      return null;
    });
    Checks.check("presigned URLs", () -> {
      if (endpoint.getScheme().equals("https")) return "fetched over http only";
      try (S3Presigner signer = S3Presigner.builder().endpointOverride(endpoint).region(Region.US_EAST_1)
          .serviceConfiguration(S3Configuration.builder().pathStyleAccessEnabled(true).build()).build()) {
        byte[] body = Checks.content(1000);
        URI up = signer.presignPutObject(sign -> sign.signatureDuration(Duration.ofMinutes(5))
            .putObjectRequest(put -> put.bucket(bucket).key("signed"))).url().toURI();
        URI down = signer.presignGetObject(sign -> sign.signatureDuration(Duration.ofMinutes(5))
            .getObjectRequest(get -> get.bucket(bucket).key("signed"))).url().toURI();
        HttpClient http = HttpClient.newHttpClient();
        Checks.equal(http.send(HttpRequest.newBuilder(up).PUT(HttpRequest.BodyPublishers.ofByteArray(body)).build(),
            HttpResponse.BodyHandlers.discarding()).statusCode(), 200);
        Checks.same(http.send(HttpRequest.newBuilder(down).build(), HttpResponse.BodyHandlers.ofByteArray()).body(), body);
      }
      return null;
    });
  }
}
