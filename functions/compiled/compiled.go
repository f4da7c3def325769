// Package compiled builds commands of this module for this machine as they ship, so that tests and benchmarks run
// the binary that is deployed and not a relative of it: same flags, no C library, nothing linked that a test links.
//
// It exists because start-up, size and exit codes belong to the binary, and because a function that is only ever
// called as a Go function may still forget its environment, its decoding or its certificates.
//
// It refuses to take a binary that somebody built before: it asks the go command, which links anew where a source
// has changed and takes everything else from its cache. It is for tests alone; nothing that ships imports it.
package compiled

import (
	"archive/zip"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// Flags are what a function is built with. The Makefile says the same in GO_BUILD, and a test compares the two.
func Flags() []string {
	return []string{"-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w"}
}

// Function builds a function, "planner" or "worker", and gives the path of its bootstrap: folder/NAME/bootstrap. The
// error holds what the compiler says.
func Function(ctx context.Context, folder, name string) (bootstrap string, err error) {
	bootstrap = filepath.Join(folder, name, "bootstrap")
	return bootstrap, Command(ctx, path.Join("rollcall/functions", name), bootstrap)
}

// Command builds the command with that import path into a file. The error holds what the compiler says.
func Command(ctx context.Context, importPath, file string) error {
	build := exec.CommandContext(ctx, "go", append(append([]string{"build"}, Flags()...), "-o", file, importPath)...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w: %s", importPath, err, strings.TrimSpace(string(said)))
	}
	return nil
}

// Zipped is how many bytes a file takes when it is zipped as for an upload to Lambda, at the best compression that
// zip has. The error is that of reading the file.
func Zipped(file string) (int64, error) {
	content, err := os.Open(file)
	if err != nil {
		return 0, fmt.Errorf("zipping: %w", err)
	}
	defer content.Close()
	size := &counter{}
	archive := zip.NewWriter(size)
	archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	entry, err := archive.Create(filepath.Base(file))
	if err == nil {
		_, err = io.Copy(entry, content)
	}
	if err == nil {
		err = archive.Close()
	}
	if err != nil {
		return 0, fmt.Errorf("zipping %s: %w", file, err)
	}
	return size.n, nil
}

// counter counts what is written to it.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
