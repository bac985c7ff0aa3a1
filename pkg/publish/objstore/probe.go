package objstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/publish"
)

// The probe is an object beside the first one written, so that credentials which may write there may write it too. It
// stays, so that the next probe is cheaper and nothing needs the right to delete.
const (
	probeName = "conditional-write-probe"
	probeText = "This object was written by lcm to see that the store honours conditional writes. It may be removed.\n"
	noETag    = "00000000000000000000000000000000"
)

// probe refuses a store that ignores conditions. It runs once; an answer that says nothing is asked for again next time.
func (s *Store) probe(ctx context.Context, key string) error {
	s.probing.Lock()
	defer s.probing.Unlock()
	if s.probed {
		return nil
	}
	refused := func(expected string) (bool, error) {
		_, err := s.put(ctx, key, []byte(probeText), expected)
		if err == nil {
			return false, nil
		}
		err = s.explain(ctx, "put", key, err)
		if errors.Is(err, publish.ErrConflict) {
			return true, nil
		}
		return false, err
	}
	// The first may really write the probe. Then the second must not.
	ok, err := refused("")
	if err == nil && !ok {
		ok, err = refused("")
	}
	if err == nil && ok {
		ok, err = refused(noETag)
	}
	switch {
	case err != nil:
		return err
	case !ok:
		return diag.WithHint(fmt.Errorf("%s ignores conditional writes (If-Match, If-None-Match)", s),
			"two publishers could overwrite each other there: use a store or version that honours them")
	}
	s.probed = true
	return nil
}

// explain maps an answer to the sentinels.
func (s *Store) explain(ctx context.Context, verb, key string, err error) error {
	what := fmt.Sprintf("%s %s/%s", verb, s, key)
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%s: %w: %w", what, publish.ErrUnavailable, cause)
	}
	r := minio.ToErrorResponse(err)
	switch {
	case r.Code == minio.NoSuchBucket:
		return diag.WithHint(fmt.Errorf("%s: the bucket does not exist", what), "make it first, or correct its name")
	case r.Code == minio.NoSuchKey, r.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s: %w", what, publish.ErrNotExist)
	case r.StatusCode == http.StatusPreconditionFailed || r.Code == minio.PreconditionFailed:
		return fmt.Errorf("%s: %w", what, publish.ErrConflict)
	case r.Code == "ConditionalRequestConflict":
		// Another write of the same object was under way; which one took effect is not known.
		return fmt.Errorf("%s: %w: %s", what, publish.ErrUnavailable, r.Code)
	case r.StatusCode == http.StatusForbidden, r.StatusCode == http.StatusUnauthorized, r.Code == minio.AccessDenied:
		return diag.WithHint(fmt.Errorf("%s: %w (%s)", what, publish.ErrPermission, r.Code),
			"check the credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE) and that they may read, write and list %s", s.bucket)
	case r.StatusCode >= 500, r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusRequestTimeout:
		return fmt.Errorf("%s: %w: %s", what, publish.ErrUnavailable, r.Code)
	case r.StatusCode >= 400:
		return fmt.Errorf("%s: %w", what, err)
	}
	if untrusted(err) {
		return diag.WithHint(fmt.Errorf("%s: %w", what, err), "the server's certificate is not trusted here: add its authority to the system, or set SSL_CERT_FILE")
	}
	return fmt.Errorf("%s: %w: %w", what, publish.ErrUnavailable, err)
}

// untrusted reports whether a connection failed for its certificate, which does not get better by waiting.
func untrusted(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.HostnameError](err)
	return ok
}
