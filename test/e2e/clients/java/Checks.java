import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ThreadLocalRandom;
import software.amazon.awssdk.awscore.exception.AwsServiceException;

/** What the programs of checks share: contents that can be recognised, comparisons, and one JSON line for each check. */
final class Checks {
  static final int MIB = 1 << 20;
  static String marker = "";

  private Checks() {}

  static void check(String name, Callable<String> run) {
    String outcome = "passed";
    String note = null;
    try {
      note = run.call();
    } catch (Exception | AssertionError failure) {
      outcome = "failed";
      note = String.valueOf(failure);
    }
    System.out.println("{\"check\":" + text(name) + ",\"outcome\":" + text(outcome) + ",\"note\":" + text(note) + "}");
  }

  static byte[] content(int size) {
    byte[] body = new byte[size];
    ThreadLocalRandom.current().nextBytes(body);
    byte[] mark = marker.getBytes(StandardCharsets.US_ASCII);
    for (int at = 0; at + mark.length <= size; at += 32768) System.arraycopy(mark, 0, body, at, mark.length);
    return body;
  }

  static void equal(Object found, Object wanted) {
    if (!Objects.equals(found, wanted)) throw new AssertionError(found + " instead of " + wanted);
  }

  static void same(byte[] found, byte[] wanted) {
    if (!Arrays.equals(found, wanted)) throw new AssertionError(found.length + " other bytes instead of " + wanted.length);
  }

  static void refused(String code, Callable<?> call) throws Exception {
    try {
      call.call();
    } catch (Exception failure) {
      equal(codeOf(failure), code);
      return;
    }
    throw new AssertionError("accepted; " + code + " was due");
  }

  /** The code of the service's error, or the exception itself as text. */
  static String codeOf(Throwable failure) {
    Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
    if (cause instanceof AwsServiceException refused && refused.awsErrorDetails() != null) {
      return refused.awsErrorDetails().errorCode();
    }
    return String.valueOf(cause);
  }

  /** What is not there is 404; the CRT looks with a HEAD, whose answer has no code. */
  static void missing(Callable<?> call) throws Exception {
    try {
      call.call();
    } catch (Exception failure) {
      Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
      equal(cause instanceof AwsServiceException refused ? refused.statusCode() : cause, 404);
      return;
    }
    throw new AssertionError("found; it is not there");
  }

  static String md5(byte[] body) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(body));
  }

  /** A JSON string; ASCII control characters, quotes and backslashes are escaped. */
  static String text(String value) {
    if (value == null) return "null";
    StringBuilder out = new StringBuilder("\"");
    for (char one : value.toCharArray()) {
      if (one == '"' || one == '\\') out.append('\\').append(one);
      else if (one < ' ') out.append(String.format("\\u%04x", (int) one));
      else out.append(one);
    }
    return out.append('"').toString();
  }
}
