// Checks of the AWS SDK for Go v2, called as checks.py says, and sessions as sessions.py says.
package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const mib = 1 << 20

var (
	ctx    = context.Background()
	s3c    *s3.Client
	bucket string
	marker string
	scale  int
)

func main() {
	if os.Args[1] == "session" {
		session(os.Args[2:])
		return
	}
	if os.Args[1] == "version" {
		fmt.Println(aws.SDKVersion)
		return
	}
	endpoint := os.Args[1]
	bucket, marker = os.Args[2], os.Args[3]
	scale, _ = strconv.Atoi(os.Args[4])
	loaded, err := config.LoadDefaultConfig(ctx, config.WithBaseEndpoint(endpoint), config.WithRetryMaxAttempts(1))
	must(err)
	s3c = s3.NewFromConfig(loaded, func(o *s3.Options) { o.UsePathStyle = true })
	checks(endpoint)
}

func check(name string, run func() string) {
	line := map[string]any{"check": name, "outcome": "passed", "note": nil}
	func() {
		defer func() {
			if failure := recover(); failure != nil {
				line["outcome"], line["note"] = "failed", fmt.Sprint(failure)
			}
		}()
		if note := run(); note != "" {
			line["note"] = note
		}
	}()
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func equal(found, wanted any) {
	if fmt.Sprint(found) != fmt.Sprint(wanted) {
		panic(fmt.Sprintf("%.200v instead of %.200v", found, wanted))
	}
}

func same(found, wanted []byte) {
	if !bytes.Equal(found, wanted) {
		panic(fmt.Sprintf("%d other bytes instead of %d", len(found), len(wanted)))
	}
}

func refused(err error, code string) {
	var failure smithy.APIError
	if !errors.As(err, &failure) {
		panic(fmt.Sprintf("%v instead of %s", err, code))
	}
	equal(failure.ErrorCode(), code)
}

func content(size int) []byte {
	body := make([]byte, size)
	_, _ = rand.Read(body)
	for at := 0; at+len(marker) <= size; at += 32768 {
		copy(body[at:], marker)
	}
	return body
}

func md5hex(body []byte) string {
	sum := md5.Sum(body)
	return hex.EncodeToString(sum[:])
}

func put(key string, body []byte) *s3.PutObjectOutput {
	out, err := s3c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)})
	must(err)
	return out
}

func get(key, span string) []byte {
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &key}
	if span != "" {
		in.Range = &span
	}
	out, err := s3c.GetObject(ctx, in)
	must(err)
	body, err := io.ReadAll(out.Body)
	must(err)
	return body
}

func checks(endpoint string) {
	check("put, get, head and delete", func() string {
		edges := []int{0, 1, 65535, 65536, 65537, mib + 1, 3*mib + 5}
		for _, size := range edges {
			body := content(size)
			equal(*put("edge", body).ETag, `"`+md5hex(body)+`"`)
			head, err := s3c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String("edge")})
			must(err)
			equal(*head.ContentLength, size)
			same(get("edge", ""), body)
		}
		_, err := s3c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("edge")})
		must(err)
		_, err = s3c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("edge")})
		refused(err, "NoSuchKey")
		return fmt.Sprintf("%d sizes", len(edges))
	})
	check("transfer manager: parts in parallel, up and down", func() string {
		body := content(scale*mib + 9)
		manager := transfermanager.New(s3c, func(o *transfermanager.Options) { o.PartSizeBytes = 5 * mib })
		key := "parts"
		// A reader that cannot seek: the manager cuts it into parts as it comes.
		_, err := manager.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: &bucket, Key: &key, Body: io.MultiReader(bytes.NewReader(body))})
		must(err)
		back := make([]byte, len(body))
		_, err = manager.DownloadObject(ctx, &transfermanager.DownloadObjectInput{Bucket: &bucket, Key: &key, WriterAt: sliceWriter(back)})
		must(err)
		same(back, body)
		return ""
	})
	check("ranges", func() string {
		body := content(200_001)
		put("range", body)
		same(get("range", "bytes=65530-65549"), body[65530:65550])
		same(get("range", "bytes=-77"), body[len(body)-77:])
		same(get("range", "bytes=200000-"), body[200_000:])
		_, err := s3c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("range"), Range: aws.String("bytes=999999-")})
		refused(err, "InvalidRange")
		return ""
	})
	check("every checksum", func() string {
		body := content(70_000)
		algorithms := []types.ChecksumAlgorithm{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"}
		for _, algorithm := range algorithms {
			_, err := s3c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("sum"), Body: bytes.NewReader(body), ChecksumAlgorithm: algorithm})
			must(err)
			same(get("sum", ""), body)
		}
		return fmt.Sprintf("%d algorithms; the SDK compares what comes back", len(algorithms))
	})
	check("listings and DeleteObjects", func() string {
		names := []string{"list/a b+c", "list/ü/😀", "list/per%20cent", "list/x=1&y"}
		for _, name := range names {
			put(name, content(500))
		}
		found := []string{}
		pages := s3.NewListObjectsV2Paginator(s3c, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String("list/"), MaxKeys: aws.Int32(3)})
		doomed := []types.ObjectIdentifier{}
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			must(err)
			for _, row := range page.Contents {
				equal(*row.Size, 500)
				found = append(found, *row.Key)
				doomed = append(doomed, types.ObjectIdentifier{Key: row.Key})
			}
		}
		equal(found, []string{"list/a b+c", "list/per%20cent", "list/x=1&y", "list/ü/😀"})
		out, err := s3c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &types.Delete{Objects: doomed}})
		must(err)
		equal([]int{len(out.Deleted), len(out.Errors)}, []int{4, 0})
		return ""
	})
	check("copies, metadata and conditions", func() string {
		key, copied := "source ü", "copy+of it"
		body := content(3000)
		_, err := s3c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body), Metadata: map[string]string{"owner": marker}})
		must(err)
		_, err = s3c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &bucket, Key: &copied, CopySource: aws.String(bucket + "/source%20%C3%BC")})
		must(err)
		head, err := s3c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &copied})
		must(err)
		equal(head.Metadata["owner"], marker)
		_, err = s3c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &copied, Body: bytes.NewReader(body), IfNoneMatch: aws.String("*")})
		refused(err, "PreconditionFailed")
		return ""
	})
	check("presigned URLs", func() string {
		if strings.HasPrefix(endpoint, "https") {
			return "fetched over http only"
		}
		signer := s3.NewPresignClient(s3c)
		key := "signed"
		body := content(1000)
		up, err := signer.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, ContentType: aws.String("text/x-note")})
		must(err)
		request, _ := http.NewRequest("PUT", up.URL, bytes.NewReader(body))
		request.Header = up.SignedHeader.Clone()
		reply, err := http.DefaultClient.Do(request)
		must(err)
		equal(reply.StatusCode, 200)
		down, err := signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key}, s3.WithPresignExpires(time.Minute))
		must(err)
		reply, err = http.Get(down.URL)
		must(err)
		found, _ := io.ReadAll(reply.Body)
		same(found, body)
		equal(reply.Header.Get("Content-Type"), "text/x-note")
		return ""
	})
}

type sliceWriter []byte

func (s sliceWriter) WriteAt(data []byte, at int64) (int, error) { return copy(s[at:], data), nil }

func codeOf(err error) string {
	var failure smithy.APIError
	if err == nil {
		return "ok"
	}
	if errors.As(err, &failure) {
		return failure.ErrorCode()
	}
	return err.Error()
}
