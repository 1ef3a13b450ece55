package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// session: BUCKET KEY OTHER-KEY. Credentials, endpoint and region come from the environment alone, as for any program. An expiry
// window longer than the session makes the SDK fetch new credentials before each request: what happens near a session's end.
func session(arguments []string) {
	bucket, key, other := arguments[0], arguments[1], arguments[2]
	window := func(o *aws.CredentialsCacheOptions) {
		if os.Getenv("PROBE_REFRESH") != "" {
			o.ExpiryWindow = 20 * time.Minute
		}
	}
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRetryMaxAttempts(1), config.WithCredentialsCacheOptions(window))
	must(err)
	client := s3.NewFromConfig(loaded, func(o *s3.Options) { o.UsePathStyle = true })
	report := map[string]any{}
	if policy := os.Getenv("PROBE_FEDERATE"); policy != "" {
		out, err := sts.NewFromConfig(loaded).GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("probe"), Policy: &policy})
		must(err)
		report["accessKeyId"], report["secretAccessKey"], report["sessionToken"] = *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken
	} else {
		who, err := sts.NewFromConfig(loaded).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		must(err)
		report["arn"] = *who.Arn
		body := []byte("written in a session")
		_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)})
		report["put"] = codeOf(err)
		out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		report["get"] = codeOf(err)
		if err == nil {
			found, _ := io.ReadAll(out.Body)
			same(found, body)
		}
		_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &other, Body: bytes.NewReader(body)})
		report["other"] = codeOf(err)
	}
	text, _ := json.Marshal(report)
	fmt.Println(string(text))
}
