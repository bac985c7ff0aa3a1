package objstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/publish/objstore"
	"github.com/llm-devops/lcm/pkg/secret"
)

func open(t *testing.T, endpoint string) *objstore.Store {
	t.Helper()
	s, err := objstore.Open(objstore.Options{
		Endpoint: endpoint, Bucket: "bucket", Region: "us-east-1", AccessKey: "key", SecretKey: secret.New("s3cr3t"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func answering(t *testing.T, status int, code string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `<Error><Code>%s</Code><Message>m</Message></Error>`, code)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// silent takes connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return "http://" + l.Addr().String()
}

func closed(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	return server.URL
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   error
	}{
		{403, "AccessDenied", publish.ErrPermission},
		{403, "InvalidAccessKeyId", publish.ErrPermission},
		{403, "SignatureDoesNotMatch", publish.ErrPermission},
		{404, "NoSuchKey", publish.ErrNotExist},
		{404, "NoSuchBucket", nil},
		{409, "ConditionalRequestConflict", publish.ErrUnavailable},
		{412, "PreconditionFailed", publish.ErrConflict},
		{500, "InternalError", publish.ErrUnavailable},
		{503, "SlowDown", publish.ErrUnavailable},
		{400, "InvalidRequest", nil},
	} {
		t.Run(c.code, func(t *testing.T) {
			_, _, err := open(t, answering(t, c.status, c.code)).Get(t.Context(), "p/a.json")
			for _, sentinel := range []error{publish.ErrPermission, publish.ErrNotExist, publish.ErrUnavailable, publish.ErrConflict} {
				if errors.Is(err, sentinel) != (sentinel == c.want) {
					t.Errorf("error %v, want %v", err, c.want)
				}
			}
			if err == nil || strings.Contains(err.Error(), "s3cr3t") || !strings.Contains(err.Error(), "p/a.json") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// A server that is away, silent or refusing gives a clear error in bounded time.
func TestPatience(t *testing.T) {
	for name, c := range map[string]struct {
		endpoint string
		want     error
		hinted   bool
	}{
		"away":     {closed(t), publish.ErrUnavailable, true},
		"silent":   {silent(t), publish.ErrUnavailable, true},
		"failing":  {answering(t, 503, "SlowDown"), publish.ErrUnavailable, true},
		"refusing": {answering(t, 403, "AccessDenied"), publish.ErrPermission, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := publish.Retrying(open(t, c.endpoint), publish.Patience{Request: 150 * time.Millisecond, Total: 400 * time.Millisecond})
			for what, call := range map[string]func(context.Context) error{
				"get":     func(ctx context.Context) error { _, _, err := s.Get(ctx, "p/a.json"); return err },
				"put":     func(ctx context.Context) error { return s.PutIfAbsent(ctx, "p/a.json", []byte("x")) },
				"replace": func(ctx context.Context) error { _, err := s.Replace(ctx, "p/a.json", []byte("x"), "t"); return err },
			} {
				start := time.Now()
				err := call(t.Context())
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("%s took %s", what, took)
				}
				if !errors.Is(err, c.want) || diag.HintOf(err) == "" || !strings.Contains(err.Error(), c.endpoint) {
					t.Errorf("%s: error %v, hint %q", what, err, diag.HintOf(err))
				}
			}
		})
	}
}

// A store that takes every write, whatever its condition, is refused before anything is written to it.
func TestIgnoredConditions(t *testing.T) {
	for name, ignores := range map[string]string{"everything": "", "If-Match": "If-None-Match", "If-None-Match": "If-Match"} {
		t.Run(name, func(t *testing.T) {
			var written []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if ignores != "" && r.Header.Get(ignores) != "" {
					w.WriteHeader(http.StatusPreconditionFailed)
					return
				}
				written = append(written, r.URL.Path)
				w.Header().Set("ETag", `"x"`)
			}))
			t.Cleanup(server.Close)
			err := open(t, server.URL).PutIfAbsent(t.Context(), "p/a.json", []byte("x"))
			if err == nil || !strings.Contains(err.Error(), "ignores conditional writes") || diag.HintOf(err) == "" {
				t.Errorf("error %v", err)
			}
			for _, path := range written {
				if path != "/bucket/p/conditional-write-probe" {
					t.Errorf("%s was written", path)
				}
			}
		})
	}
}

func TestEndpoints(t *testing.T) {
	for _, endpoint := range []string{"objects.example.com", "ftp://objects.example.com", "https://", "https://a/path", "https://u:s3cr3t@a", "http://a b"} {
		_, err := objstore.Open(objstore.Options{Endpoint: endpoint, Bucket: "b"})
		if err == nil || diag.HintOf(err) == "" || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: error %v", endpoint, err)
		}
	}
	if _, err := objstore.Open(objstore.Options{}); err == nil {
		t.Error("no bucket is needed")
	}
	s := open(t, "https://objects.example.com/")
	if s.String() != "s3 https://objects.example.com/bucket" {
		t.Errorf("String gives %q", s)
	}
}

// A certificate that is not trusted does not get better by waiting.
func TestUntrusted(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	_, _, err := open(t, server.URL).Get(t.Context(), "p/a.json")
	if err == nil || errors.Is(err, publish.ErrUnavailable) || !strings.Contains(diag.HintOf(err), "certificate") {
		t.Errorf("error %v, hint %q", err, diag.HintOf(err))
	}
}
