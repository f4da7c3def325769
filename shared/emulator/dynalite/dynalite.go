// Package dynalite is DynamoDB in the embedded cloud: it runs dynalite (npm, pinned in package.json), which keeps
// its tables in memory and validates as strictly as the service, as a child process, and hands calls on to it.
// It exists so that no line of DynamoDB's semantics is ours.
//
// What dynalite 4.0.0 does not know is not there: transactions, the TTL API, PartiQL, the item of a failed
// condition. It has one set of tables, which is said to be that of one account and Region: elsewhere there are none.
//
// The child never outlives us. It ends by Close, with the context, with our standard input pipe (so also when we
// are killed), and on Linux by a signal of the kernel when the parent dies. It refuses to look for dynalite
// anywhere but in node_modules, and installs nothing.
package dynalite

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"rollcall/shared/emulator/service"
)

//go:embed launch.js
var launcher string

// startup is how long the child may take until it answers; 0.4 s is usual.
const startup = 20 * time.Second

// Options say where dynalite is and whose tables it holds.
type Options struct {
	// Modules is the folder node_modules that holds dynalite. Empty: the nearest one that does, in the working
	// directory or above it.
	Modules string
	Account string // 12 digits
	Region  string
}

// Database is a running dynalite; it is the service "dynamodb". Use Start.
type Database struct {
	account, region string
	endpoint        *url.URL
	proxy           *httputil.ReverseProxy
	transport       *http.Transport

	stdin   io.Closer
	process *os.Process
	output  *tail
	gone    chan struct{} // closed when the child has ended
	exit    error         // how; read after gone
	closed  sync.Once
	release func() bool // stops watching the context
}

// Start runs dynalite and returns when it listens. The child ends with ctx or Close. Errors: dynalite or node is
// not installed (the text says what to run), or the child ended or stayed silent.
func Start(ctx context.Context, options Options) (*Database, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("starting dynalite: %w", err)
	}
	folder, err := find(options.Modules)
	if err != nil {
		return nil, err
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("starting dynalite: node is not installed; see the README for the version: %w", err)
	}
	d := &Database{
		account: options.Account, region: options.Region,
		output: &tail{}, gone: make(chan struct{}),
		transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64, ResponseHeaderTimeout: time.Minute},
	}
	port, err := d.launch(node, folder)
	if err != nil {
		return nil, err
	}
	d.release = context.AfterFunc(ctx, d.kill)
	if err := d.await(ctx, port); err != nil {
		_ = d.Close() // err says more than "it has ended"
		return nil, err
	}
	return d, nil
}

// find is the folder of the package dynalite.
func find(modules string) (string, error) {
	missing := func(where string) error {
		return fmt.Errorf("starting dynalite: it is not in %s: run \"npm ci\" in the root of the repository", where)
	}
	if modules != "" {
		folder := filepath.Join(modules, "dynalite")
		if _, err := os.Stat(filepath.Join(folder, "package.json")); err != nil {
			return "", missing(modules)
		}
		return filepath.Abs(folder)
	}
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("looking for node_modules: %w", err)
	}
	for at := start; ; at = filepath.Dir(at) {
		folder := filepath.Join(at, "node_modules", "dynalite")
		if _, err := os.Stat(filepath.Join(folder, "package.json")); err == nil {
			return folder, nil
		}
		if at == filepath.Dir(at) {
			return "", missing("node_modules of " + start + " or above")
		}
	}
}

// launch starts the child; the first line that it prints, its port, will come on the channel.
func (d *Database) launch(node, folder string) (<-chan string, error) {
	command := exec.Command(node, "--eval", launcher, "--", "launch", folder)
	// Not our whole environment: what is meant for the functions (AWS_…, SSL_CERT_FILE) or for a person's node
	// (NODE_OPTIONS) is not meant for this child. Account and Region go into the ARNs.
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "AWS_ACCOUNT_ID=" + d.account, "AWS_REGION=" + d.region}
	command.SysProcAttr = attributes()
	command.Stderr = d.output
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting dynalite: %w", err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting dynalite: %w", err)
	}
	d.stdin = stdin
	started, port := make(chan error, 1), make(chan string, 1)
	go func() {
		// Linux sends the parent-death signal when the starting *thread* ends, so this one is kept until the
		// child has ended. https://github.com/golang/go/issues/27505
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(d.gone)
		if err := command.Start(); err != nil {
			started <- err
			return
		}
		d.process = command.Process
		started <- nil
		lines := bufio.NewScanner(stdout)
		for first := true; lines.Scan(); first = false {
			if first {
				port <- lines.Text()
			} else {
				fmt.Fprintln(d.output, lines.Text())
			}
		}
		d.exit = command.Wait()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting dynalite: %w", err)
	}
	return port, nil
}

// await waits until the child has said its port, on which it listens then.
func (d *Database) await(ctx context.Context, port <-chan string) error {
	patience := time.NewTimer(startup)
	defer patience.Stop()
	select {
	case said := <-port:
		if _, err := strconv.ParseUint(said, 10, 16); err != nil {
			return fmt.Errorf("starting dynalite: it said %q instead of its port", said)
		}
		d.endpoint = &url.URL{Scheme: "http", Host: "127.0.0.1:" + said, Path: "/"}
	case <-d.gone:
		return d.ended()
	case <-ctx.Done():
		return fmt.Errorf("starting dynalite: %w", ctx.Err())
	case <-patience.C:
		return fmt.Errorf("starting dynalite: no port after %s: %s", startup, d.output)
	}
	d.proxy = &httputil.ReverseProxy{
		Transport: d.transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(d.endpoint) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			fail(w, http.StatusInternalServerError, "InternalServerError", d.why(err))
		},
	}
	return nil
}

// ended says how the child ended by itself.
func (d *Database) ended() error {
	return fmt.Errorf("dynalite has ended (%w): %s", d.exit, d.output)
}

// why adds what the child said to an error of the connection.
func (d *Database) why(err error) string {
	select {
	case <-d.gone:
		return d.ended().Error()
	default:
		return "calling dynalite: " + err.Error()
	}
}

// kill ends the child. It holds nothing that is worth a farewell.
func (d *Database) kill() {
	_ = d.stdin.Close()
	select {
	case <-d.gone: // the process id may be somebody else's by now
	default:
		_ = d.process.Kill() // it has no children of its own
	}
}

// Close ends the child and waits until it has. The error says that it had ended by itself before. Closing twice is
// fine.
func (d *Database) Close() (err error) {
	d.closed.Do(func() {
		byItself := false
		select {
		case <-d.gone:
			byItself = true
		default:
		}
		ours := d.release == nil || !d.release() // the context has ended, and killed it
		d.kill()
		<-d.gone
		d.transport.CloseIdleConnections()
		if byItself && !ours {
			err = d.ended()
		}
	})
	return err
}

// Endpoint is where dynalite itself listens, past the gateway: calls there are neither recorded nor struck by faults.
func (d *Database) Endpoint() string { return d.endpoint.String() }

// Done is closed when the child has ended, for whatever reason.
func (d *Database) Done() <-chan struct{} { return d.gone }

// PID is the child's process id.
func (d *Database) PID() int { return d.process.Pid }

// Name is "dynamodb".
func (d *Database) Name() string { return "dynamodb" }

// Operation is the API's name ("PutItem") and the table it is about; of several, their names joined by commas.
func (d *Database) Operation(r *http.Request, body []byte) (operation, resource string) {
	_, operation, _ = strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var named struct {
		TableName    string
		RequestItems map[string]json.RawMessage
	}
	if err := json.Unmarshal(body, &named); err != nil {
		return operation, "" // dynalite will say what is wrong with it
	}
	if named.TableName != "" {
		return operation, named.TableName
	}
	var tables []string
	for table := range named.RequestItems {
		tables = append(tables, table)
	}
	slices.Sort(tables)
	return operation, strings.Join(tables, ",")
}

// ServeHTTP hands a call on. A caller from another account or Region finds no table.
func (d *Database) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if who := service.CallerOf(r.Context()); who.Account != d.account || who.Region != d.region {
		fail(w, http.StatusBadRequest, "ResourceNotFoundException",
			fmt.Sprintf("Requested resource not found: there are no tables in account %s and Region %s", who.Account, who.Region))
		return
	}
	// A caller who goes away must not break the connection to dynalite, which ends at that; the call is done
	// anyway, as the service would do it.
	d.proxy.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
}

// Refuse answers in DynamoDB's words.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
func (d *Database) Refuse(w http.ResponseWriter, _ *http.Request, why service.Refusal) {
	switch why {
	case service.Throttle:
		fail(w, http.StatusBadRequest, "ProvisionedThroughputExceededException",
			"The level of configured provisioned throughput for the table was exceeded.")
	case service.Unavailable:
		fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "The service is currently unavailable or busy.")
	case service.Deny:
		fail(w, http.StatusBadRequest, "AccessDeniedException", "The caller is not authorized to perform this operation.")
	default:
		fail(w, http.StatusInternalServerError, "InternalServerError", "The request processing has failed because of an unknown error.")
	}
}

// fail writes an error with the checksum that the SDK verifies.
func fail(w http.ResponseWriter, status int, code, message string) {
	kind := "com.amazonaws.dynamodb.v20120810#" + code
	if code == "AccessDeniedException" {
		kind = "com.amazon.coral.service#" + code
	}
	body, _ := json.Marshal(map[string]string{"__type": kind, "message": message}) // strings always marshal
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// tail keeps the last 4 KB of what was written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - 4096; over > 0 {
		t.kept = t.kept[over:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.kept) == 0 {
		return "it said nothing"
	}
	return string(bytes.TrimSpace(t.kept))
}
