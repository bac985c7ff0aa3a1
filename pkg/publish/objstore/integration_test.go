//go:build integration

package objstore_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/publish/objstore"
	"github.com/llm-devops/lcm/pkg/publish/publishtest"
	"github.com/llm-devops/lcm/pkg/publish/publishtest/servers"
	"github.com/llm-devops/lcm/pkg/secret"
)

func TestContract(t *testing.T) {
	s3 := servers.StartS3(t)
	buckets := 0
	publishtest.TestStore(t, func(t *testing.T) func() publish.Store {
		buckets++
		bucket := fmt.Sprintf("contract-%d", buckets)
		s3.MakeBucket(t, bucket)
		return func() publish.Store { return s3.Open(t, bucket) }
	})
}

func TestRealRefusals(t *testing.T) {
	s3 := servers.StartS3(t)
	s3.MakeBucket(t, "bucket")
	for name, c := range map[string]struct {
		options objstore.Options
		want    error
	}{
		"wrong secret": {objstore.Options{Bucket: "bucket", AccessKey: s3.AccessKey, SecretKey: secret.New("s3cr3t-wrong")}, publish.ErrPermission},
		"wrong key":    {objstore.Options{Bucket: "bucket", AccessKey: "nobody", SecretKey: secret.New("s3cr3t-wrong")}, publish.ErrPermission},
		"no bucket":    {objstore.Options{Bucket: "absent", AccessKey: s3.AccessKey, SecretKey: secret.New(s3.SecretKey)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Endpoint, c.options.Region = s3.Endpoint, "us-east-1"
			store, err := objstore.Open(c.options)
			if err != nil {
				t.Fatal(err)
			}
			_, _, getErr := store.Get(t.Context(), "p/a.json")
			for _, err := range []error{getErr, store.PutIfAbsent(t.Context(), "p/a.json", []byte("x"))} {
				if err == nil || errors.Is(err, publish.ErrNotExist) || errors.Is(err, publish.ErrUnavailable) {
					t.Errorf("error %v", err)
				}
				if c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("error %v, want %v", err, c.want)
				}
				if diag.HintOf(err) == "" {
					t.Errorf("%v has no hint", err)
				}
			}
		})
	}
}
