//go:build integration

// Package servers starts the real servers that adapters are tested against: a Vault in development mode and versitygw, an
// S3-compatible store. Binaries are built once by testdata/tools/build.sh. A server that does not start fails the test.
package servers

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const (
	startTimeout = 30 * time.Second
	startTries   = 3
)

// S3 is a running object store.
type S3 struct {
	Endpoint  string
	AccessKey string
	SecretKey string

	data string
}

// Vault is a running Vault with a KV version 2 engine at "secret".
type Vault struct {
	Address   string
	RootToken string
}

// StartS3 starts versitygw on a directory that goes away with the test.
func StartS3(tb testing.TB) *S3 {
	tb.Helper()
	s := &S3{AccessKey: "lcm-test", SecretKey: "lcm-test-secret"}
	binary := build(tb, "versitygw")
	start(tb, 1, func(port int) (*exec.Cmd, string) {
		address := fmt.Sprintf("127.0.0.1:%d", port)
		s.Endpoint = "http://" + address
		base := tb.TempDir()
		dirs := map[string]string{}
		for _, name := range []string{"iam", "versions", "data"} {
			dirs[name] = filepath.Join(base, name)
			if err := os.Mkdir(dirs[name], 0o700); err != nil {
				tb.Fatal(err)
			}
		}
		s.data = dirs["data"]
		cmd := exec.Command(binary, "--port", address, "--iam-dir", dirs["iam"], "--health", "/health", //nolint:gosec,noctx // ended by cleanup
			"posix", "--versioning-dir", dirs["versions"], dirs["data"])
		cmd.Env = []string{"ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey, "HOME=" + base, "PATH=" + os.Getenv("PATH")}
		return cmd, s.Endpoint + "/health"
	})
	return s
}

// StartVault starts a Vault in development mode.
func StartVault(tb testing.TB) *Vault {
	tb.Helper()
	v := &Vault{RootToken: "root"}
	binary := build(tb, "vault")
	// The cluster port is the next one.
	start(tb, 2, func(port int) (*exec.Cmd, string) {
		address := fmt.Sprintf("127.0.0.1:%d", port)
		v.Address = "http://" + address
		cmd := exec.Command(binary, "server", "-dev", "-dev-root-token-id="+v.RootToken, "-dev-listen-address="+address, "-dev-no-store-token") //nolint:gosec,noctx // ended by cleanup
		cmd.Env = []string{"HOME=" + tb.TempDir(), "PATH=" + os.Getenv("PATH")}
		return cmd, v.Address + "/v1/sys/health"
	})
	return v
}

// build gives the path of a tool's binary.
func build(tb testing.TB, name string) string {
	tb.Helper()
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		tb.Fatal("where this source is cannot be told")
	}
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "..", "testdata", "tools", "build.sh")
	cmd := exec.CommandContext(tb.Context(), "sh", script, name) //nolint:gosec // the script is ours
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("build %s: %v\n%s", name, err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// start runs a server on a free port and waits until it is healthy. Another process can take the port first, so it is
// tried again on another one.
func start(tb testing.TB, ports int, command func(port int) (cmd *exec.Cmd, health string)) {
	tb.Helper()
	var last string
	for range startTries {
		cmd, health := command(freePorts(tb, ports))
		var output lockedBuffer
		cmd.Stdout, cmd.Stderr = &output, &output
		if err := cmd.Start(); err != nil {
			tb.Fatalf("start %s: %v", cmd.Path, err)
		}
		ended := make(chan error, 1)
		go func() {
			ended <- cmd.Wait()
			close(ended)
		}()
		stop := func() {
			_ = cmd.Process.Kill()
			for range ended { // until it has gone
			}
		}
		err := waitHealthy(tb.Context(), health, ended)
		if err == nil {
			tb.Cleanup(stop)
			return
		}
		stop()
		last = fmt.Sprintf("%s did not start: %v\n%s", filepath.Base(cmd.Path), err, output.String())
	}
	tb.Fatal(last)
}

func waitHealthy(ctx context.Context, url string, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var last error
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("it ended: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("it is not healthy: %w", last)
		case <-time.After(20 * time.Millisecond):
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			last = err
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
		last = fmt.Errorf("status %d", resp.StatusCode)
	}
}

// freePorts gives the first of n consecutive free ports.
func freePorts(tb testing.TB, n int) int {
	tb.Helper()
	for range 50 {
		var lc net.ListenConfig
		first, err := lc.Listen(tb.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		port := first.Addr().(*net.TCPAddr).Port
		free := true
		for i := 1; i < n && free; i++ {
			next, err := lc.Listen(tb.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port+i))
			if free = err == nil; free {
				_ = next.Close()
			}
		}
		_ = first.Close()
		if free {
			return port
		}
	}
	tb.Fatal("no free ports")
	return 0
}
