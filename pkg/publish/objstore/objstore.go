// Package objstore keeps bundles in a bucket of an S3-compatible store.
//
// It relies on conditional writes (If-Match and If-None-Match on PutObject). A store that ignores them would let two
// publishers overwrite each other, so the first write of a [Store] probes for them and refuses such a store by name.
// Credentials come from where the usual tools take them, and are never printed.
package objstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/secret"
)

// Options says which bucket, where.
type Options struct {
	// Endpoint is the URL of the store; https means TLS. "https://s3.amazonaws.com" if empty.
	Endpoint string
	Bucket   string
	Region   string // "" lets the store say

	// AccessKey, SecretKey and SessionToken are the credentials. Without an AccessKey they are looked for in AWS_* of the
	// environment, in the AWS credentials file, and at the cloud's own instance service, in this order.
	AccessKey    string
	SecretKey    secret.Text
	SessionToken secret.Text
}

const (
	amazon      = "https://s3.amazonaws.com"
	dialTimeout = 5 * time.Second
	contentType = "application/json"
)

// Store is a [publish.Store] and a [publish.Lister] in a bucket.
type Store struct {
	client   *minio.Client
	endpoint string
	bucket   string

	probing sync.Mutex
	probed  bool
}

// Open gives the store in a bucket. It does not connect yet.
func Open(o Options) (*Store, error) {
	if o.Endpoint == "" {
		o.Endpoint = amazon
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.User != nil {
		return nil, diag.WithHint(errors.New("open object store: the endpoint is no URL of a server"), "write it as https://host[:port]")
	}
	if o.Bucket == "" {
		return nil, errors.New("open object store: no bucket is named")
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       time.Minute,
		DisableCompression:    true, // objects are read as they are stored
		ExpectContinueTimeout: time.Second,
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: o.credentials(), Secure: u.Scheme == "https", Region: o.Region, Transport: transport,
		MaxRetries: 1, // repeating is for publish.Retrying, which knows what is safe
	})
	if err != nil {
		return nil, fmt.Errorf("open object store %s: %w", o.Endpoint, err)
	}
	return &Store{client: client, endpoint: u.Scheme + "://" + u.Host, bucket: o.Bucket}, nil
}

func (o *Options) credentials() *credentials.Credentials {
	if o.AccessKey != "" {
		return credentials.NewStaticV4(o.AccessKey, o.SecretKey.Reveal(), o.SessionToken.Reveal())
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{},
		&credentials.FileAWSCredentials{},
		&credentials.IAM{Client: &http.Client{Timeout: dialTimeout}},
	})
}

// String implements [publish.Store].
func (s *Store) String() string { return "s3 " + s.endpoint + "/" + s.bucket }

// Get implements [publish.Store]; the tag is the ETag.
func (s *Store) Get(ctx context.Context, key string) ([]byte, string, error) {
	if err := publish.CheckKey(key); err != nil {
		return nil, "", err
	}
	o, err := s.client.GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, "", s.explain(ctx, "get", key, err)
	}
	defer func() { _ = o.Close() }()
	// Reading first makes this one request; Stat then only looks at its answer.
	data, err := io.ReadAll(io.LimitReader(o, bundle.MaxObject+1))
	if err != nil {
		return nil, "", s.explain(ctx, "get", key, err)
	}
	if len(data) > bundle.MaxObject {
		return nil, "", fmt.Errorf("get %s: larger than %d bytes", key, bundle.MaxObject)
	}
	info, err := o.Stat()
	if err != nil {
		return nil, "", s.explain(ctx, "get", key, err)
	}
	return data, info.ETag, nil
}

// PutIfAbsent implements [publish.Store].
func (s *Store) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	_, err := s.Replace(ctx, key, data, "")
	return err
}

// Replace implements [publish.Store].
func (s *Store) Replace(ctx context.Context, key string, data []byte, expected string) (string, error) {
	if err := publish.CheckKey(key); err != nil {
		return "", err
	}
	if err := s.probe(ctx, path.Dir(key)+"/"+probeName); err != nil {
		return "", err
	}
	tag, err := s.put(ctx, key, data, expected)
	if err == nil {
		return tag, nil
	}
	err = s.explain(ctx, "put", key, err)
	if expected != "" && errors.Is(err, publish.ErrNotExist) {
		err = fmt.Errorf("put %s: %w: it was removed", key, publish.ErrConflict)
	}
	return "", err
}

func (s *Store) put(ctx context.Context, key string, data []byte, expected string) (string, error) {
	o := minio.PutObjectOptions{ContentType: contentType, DisableMultipart: true}
	if expected == "" {
		o.SetMatchETagExcept("*")
	} else {
		o.SetMatchETag(expected)
	}
	info, err := s.client.PutObject(ctx, s.bucket, key, bytes.NewReader(data), int64(len(data)), o)
	return info.ETag, err
}

// List implements [publish.Lister].
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	if err := publish.CheckKey(strings.TrimSuffix(prefix, "/")); err != nil {
		return nil, err
	}
	// The channel is read by a goroutine of the client's, which ends with ctx.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var keys []string
	for o := range s.client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, s.explain(ctx, "list", prefix, o.Err)
		}
		if path.Base(o.Key) != probeName {
			keys = append(keys, o.Key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}
