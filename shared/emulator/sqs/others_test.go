package sqs_test

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/shared/emulator/sqs/contract"
)

// The two other emulators keep real time, so that the few expectations that need a second or two really wait; those
// that need more are skipped by name.
const patience = 2 * time.Second

// fauxqsDifferences is what fauxqs 1.9.2 does otherwise than the contract says. Besides, it puts
// "AWS.SimpleQueueService." before every error code.
func fauxqsDifferences() map[string]contract.Difference {
	oneEach := contract.Difference{Instead: "a receive takes one message of each group"}
	return map[string]contract.Difference{
		"creating it with another attribute is refused":             {Instead: "the code is QueueNameExists"},
		"a FIFO queue is named .fifo and no other is":               {Instead: "a standard queue may be named .fifo"},
		"attributes of FIFO queues are refused for others":          {Instead: "they are taken"},
		"a redrive needs a dead-letter queue of the same kind":      {Instead: "a policy that is no JSON is taken"},
		"a purge empties the queue, once a minute":                  {Instead: "deduplication is not forgotten, and a purge may follow a purge"},
		"ids have their characters":                                 {Instead: "any characters are taken"},
		"a repeat by content is swallowed":                          oneEach,
		"a batch goes in its order":                                 oneEach,
		"a receive fills up with one group first":                   oneEach,
		"a group stays locked while one of several is in flight":    oneEach,
		"after the visibility timeout the same come again in order": oneEach,
		"what is released is received again, nothing overtakes it":  oneEach,
		"a batch has 1 to 10 entries with ids of their own":         {Instead: "an id of 81 letters is taken"},
		"one entry without a group fails the batch":                 {Instead: "it fails alone"},
		"a batch of deletes tells of each":                          {Instead: "a garbage handle is deleted"},
		"a repeated receive request gives the same messages":        {Instead: "the attempt id is not read"},
		"what was received too often goes to the dead-letter queue": {Instead: "the move counts as a receive more"},
		"a dead letter tells where it came from":                    {Instead: "it has no DeadLetterQueueSourceArn"},
		"garbage is no receipt handle":                              {Instead: "a garbage handle is deleted"},
		"a FIFO receipt handle ends with its timeout":               {Instead: "it goes on deleting"},
		"a deleted message has no visibility":                       {Instead: "the code is MessageNotInflight"},
	}
}

// motoDifferences is what moto_server 5.2.1 does otherwise than the contract says.
func motoDifferences() map[string]contract.Difference {
	return map[string]contract.Difference{
		"a FIFO queue is named .fifo and no other is":               {Instead: "a standard queue may be named .fifo"},
		"an attribute is checked by name and by range":              {Instead: "any value is taken"},
		"attributes of FIFO queues are refused for others":          {Instead: "they are taken"},
		"a redrive needs a dead-letter queue of the same kind":      {Instead: "the code for a missing one is NonExistentQueue"},
		"a purge empties the queue, once a minute":                  {Instead: "a purge may follow a purge"},
		"ids have their characters":                                 {Instead: "any characters are taken"},
		"a repeat by id is swallowed, also after a delete":          {Instead: "a delete forgets the id"},
		"sequence numbers grow":                                     {Instead: "they are random", Sometimes: true},
		"an empty body is refused":                                  {Instead: "it is taken"},
		"a body of other characters is refused":                     {Instead: "it is taken"},
		"one entry that is too large fails alone":                   {Instead: "it fails the batch"},
		"one entry without a group fails the batch":                 {Instead: "the code is MissingParameter"},
		"a receive fills up with one group first":                   {Instead: "messages come in the order sent, whatever their group"},
		"after the visibility timeout the same come again in order": {Instead: "the group is not received as a whole, nor in order", Sometimes: true},
		"what is released is received again, nothing overtakes it":  {Instead: "the whole group stays locked"},
		"a repeated receive request gives the same messages":        {Instead: "the attempt id is not read"},
		"a dead letter tells where it came from":                    {Instead: "it has no DeadLetterQueueSourceArn"},
		"a FIFO receipt handle ends with its timeout":               {Instead: "it goes on deleting"},
		"a deleted message has no visibility":                       {Instead: "the code is ReceiptHandleIsInvalid"},
	}
}

func TestContractOfFauxqs(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: fauxqs keeps real time, and this is a short run")
	}
	t.Parallel()
	const version = "1.9.2"
	root, text := installed(t, "fauxqs")
	if root == "" {
		t.Skipf("SKIPPED: fauxqs is not there, its contract was not checked (npm ci brings version %s)", version)
	}
	var about struct{ Version string }
	if err := json.Unmarshal(text, &about); err != nil || about.Version != version {
		t.Skipf("SKIPPED: fauxqs is version %q, the table of differences is for %s", about.Version, version)
	}
	// fauxqs' own command line listens on every interface; its app can be told to listen on loopback.
	const script = `import { buildApp } from "fauxqs";
const app = buildApp({ logger: false });
console.log(await app.listen({ host: "127.0.0.1", port: 0 }));`
	command := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", script)
	command.Dir = root
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	run(t, command)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("waiting for fauxqs to say where it listens: %v", err)
	}
	contract.Run(t, contract.Target{Client: client(strings.TrimSpace(line)), Wait: time.Sleep, Patience: patience, Prefixed: true, Differences: fauxqsDifferences()})
}

func TestContractOfMoto(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: moto keeps real time, and this is a short run")
	}
	t.Parallel()
	path, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skipf("SKIPPED: moto_server is not there, its contract was not checked: %v", err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(address, ":")
	run(t, exec.CommandContext(t.Context(), path, "-H", host, "-p", port))
	deadline := time.Now().Add(30 * time.Second)
	for {
		answer, err := http.Get("http://" + address + "/moto-api/")
		if err == nil {
			answer.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Skipf("SKIPPED: moto_server does not answer on this machine, its contract was not checked: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	contract.Run(t, contract.Target{Client: client("http://" + address), Wait: time.Sleep, Patience: patience, Differences: motoDifferences()})
}

// run starts a program that ends with the test.
func run(t *testing.T, command *exec.Cmd) {
	t.Helper()
	if err := command.Start(); err != nil {
		t.Skipf("SKIPPED: %s does not start: %v", command.Path, err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may have ended with the test's context
		_ = command.Wait()
	})
}

// installed is the nearest folder, at or above the working directory, whose node_modules has a package, and what its
// package.json says; empty where there is none.
func installed(t *testing.T, name string) (folder string, about []byte) {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; folder = filepath.Dir(folder) {
		about, err := os.ReadFile(filepath.Join(folder, "node_modules", name, "package.json"))
		if err == nil {
			return folder, about
		}
		if folder == filepath.Dir(folder) {
			return "", nil
		}
	}
}
