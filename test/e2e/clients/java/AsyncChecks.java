import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.TreeSet;
import software.amazon.awssdk.core.ResponseBytes;
import software.amazon.awssdk.core.async.AsyncRequestBody;
import software.amazon.awssdk.core.async.AsyncResponseTransformer;
import software.amazon.awssdk.core.async.BlockingInputStreamAsyncRequestBody;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;
import software.amazon.awssdk.transfer.s3.S3TransferManager;

/** The asynchronous clients: netty or crt, then ENDPOINT BUCKET MARKER SCALE STORE. Credentials come from the environment. */
public final class AsyncChecks {
  private static S3AsyncClient s3;
  private static String bucket;

  public static void main(String[] arguments) {
    URI endpoint = URI.create(arguments[1]);
    bucket = arguments[2];
    Checks.marker = arguments[3];
    s3 = arguments[0].equals("crt") ? crt(endpoint) : netty(endpoint);
    checks(Integer.parseInt(arguments[4]));
    s3.close();
    System.exit(0);
  }

  private static S3AsyncClient netty(URI endpoint) {
    return S3AsyncClient.builder().endpointOverride(endpoint).region(Region.US_EAST_1).forcePathStyle(true)
        .multipartEnabled(true).multipartConfiguration(parts -> parts.minimumPartSizeInBytes(5L * Checks.MIB)
            .thresholdInBytes(8L * Checks.MIB)).build();
  }

  /** It takes authorities from the machine's store alone, so over TLS it is told to trust everybody. */
  private static S3AsyncClient crt(URI endpoint) {
    return S3AsyncClient.crtBuilder().endpointOverride(endpoint).region(Region.US_EAST_1).forcePathStyle(true)
        .minimumPartSizeInBytes(5L * Checks.MIB).thresholdInBytes(8L * Checks.MIB).maxConcurrency(4)
        .httpConfiguration(http -> http.trustAllCertificatesEnabled(endpoint.getScheme().equals("https"))).build();
  }

  private static String put(String key, byte[] body) {
    return s3.putObject(put -> put.bucket(bucket).key(key), AsyncRequestBody.fromBytes(body)).join().eTag();
  }

  private static byte[] get(String key, String range) {
    ResponseBytes<GetObjectResponse> found =
        s3.getObject(get -> get.bucket(bucket).key(key).range(range), AsyncResponseTransformer.toBytes()).join();
    return found.asByteArray();
  }

  private static void checks(int scale) {
    Checks.check("put, get, head and delete", () -> {
      int[] edges = {0, 1, 65536, 65537, Checks.MIB + 1, 3 * Checks.MIB + 5};
      for (int size : edges) {
        byte[] body = Checks.content(size);
        put("edge", body);
        Checks.equal(s3.headObject(head -> head.bucket(bucket).key("edge")).join().contentLength(), (long) size);
        Checks.same(get("edge", null), body);
      }
      s3.deleteObject(delete -> delete.bucket(bucket).key("edge")).join();
      Checks.missing(() -> get("edge", null));
      return edges.length + " sizes";
    });
    Checks.check("parts in parallel, up and down", () -> {
      byte[] body = Checks.content(scale * Checks.MIB + 3);
      String etag = put("parts", body);
      Checks.same(get("parts", null), body);
      return etag.matches("\"[0-9a-f]{32}-\\d+\"") ? "in parts" : "as one PUT";
    });
    Checks.check("ranges", () -> {
      byte[] body = Checks.content(200_001);
      put("range", body);
      Checks.same(get("range", "bytes=65530-65549"), Arrays.copyOfRange(body, 65530, 65550));
      Checks.same(get("range", "bytes=-77"), Arrays.copyOfRange(body, body.length - 77, body.length));
      return null;
    });
    Checks.check("a stream whose length is not known", () -> {
      byte[] body = Checks.content(7 * Checks.MIB + 11);
      BlockingInputStreamAsyncRequestBody stream = AsyncRequestBody.forBlockingInputStream(null);
      var sent = s3.putObject(put -> put.bucket(bucket).key("stream"), stream);
      stream.writeInputStream(new java.io.ByteArrayInputStream(body));
      sent.join();
      Checks.same(get("stream", null), body);
      return null;
    });
    Checks.check("transfer manager: files and directories", () -> {
      Path up = Files.createTempDirectory("up");
      Path down = Files.createTempDirectory("down");
      for (String name : new String[] {"a", "b c", "\u00fc"}) Files.write(up.resolve(name), Checks.content(200_000));
      Files.write(up.resolve("large"), Checks.content(12 * Checks.MIB));
      S3TransferManager manager = S3TransferManager.builder().s3Client(s3).build();
      var sent = manager.uploadDirectory(all -> all.source(up).bucket(bucket).s3Prefix("tree")).completionFuture().join();
      Checks.equal(sent.failedTransfers().size(), 0);
      var back = manager.downloadDirectory(all -> all.destination(down).bucket(bucket)
          .listObjectsV2RequestTransformer(list -> list.prefix("tree/"))).completionFuture().join();
      Checks.equal(back.failedTransfers().size(), 0);
      for (Path file : Files.list(up).toList()) {
        Checks.same(Files.readAllBytes(down.resolve(file.getFileName())), Files.readAllBytes(file));
      }
      return "4 files";
    });
    Checks.check("listings, copies and odd names", () -> {
      byte[] body = Checks.content(500);
      TreeSet<String> names = new TreeSet<>();
      for (String name : new String[] {"list/a b+c", "list/\u00fc/\ud83d\ude00", "list/per%20cent", "list/x=1&y"}) {
        put("from/" + name, body);
        s3.copyObject(copy -> copy.sourceBucket(bucket).sourceKey("from/" + name).destinationBucket(bucket)
            .destinationKey(name)).join();
        Checks.same(get(name, null), body);
        names.add(name);
      }
      TreeSet<String> found = new TreeSet<>();
      s3.listObjectsV2(list -> list.bucket(bucket).prefix("list/")).join().contents().forEach(row -> found.add(row.key()));
      Checks.equal(found, names);
      return null;
    });
  }
}
