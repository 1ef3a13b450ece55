import java.util.ArrayList;
import java.util.List;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.sts.StsClient;
import software.amazon.awssdk.services.sts.model.Credentials;

/** BUCKET KEY OTHER-KEY. Credentials, endpoint and region come from the environment alone, as for any program. */
public final class Session {
  public static void main(String[] arguments) {
    List<String> fields = new ArrayList<>();
    String policy = System.getenv("PROBE_FEDERATE");
    try (StsClient sts = StsClient.create(); S3Client s3 = S3Client.builder().forcePathStyle(true).build()) {
      if (policy != null) {
        Credentials given = sts.getFederationToken(ask -> ask.name("probe").policy(policy)).credentials();
        field(fields, "accessKeyId", given.accessKeyId());
        field(fields, "secretAccessKey", given.secretAccessKey());
        field(fields, "sessionToken", given.sessionToken());
      } else {
        field(fields, "arn", sts.getCallerIdentity().arn());
        field(fields, "put", put(s3, arguments[0], arguments[1]));
        field(fields, "get", get(s3, arguments[0], arguments[1]));
        field(fields, "other", put(s3, arguments[0], arguments[2]));
      }
    }
    System.out.println("{" + String.join(",", fields) + "}");
  }

  private static void field(List<String> fields, String name, String value) {
    fields.add(Checks.text(name) + ":" + Checks.text(value));
  }

  private static String put(S3Client s3, String bucket, String key) {
    try {
      s3.putObject(put -> put.bucket(bucket).key(key), RequestBody.fromString("written in a session"));
      return "ok";
    } catch (Exception failure) {
      return Checks.codeOf(failure);
    }
  }

  private static String get(S3Client s3, String bucket, String key) {
    try {
      return s3.getObjectAsBytes(get -> get.bucket(bucket).key(key)).asUtf8String().equals("written in a session") ? "ok" : "other bytes";
    } catch (Exception failure) {
      return Checks.codeOf(failure);
    }
  }
}
