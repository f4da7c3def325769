// Command bootstrap is a Lambda function for the tests of package emulator, with the standard library alone: it
// answers every event with what it sees of the world, and with {} once it has looked.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		next, err := http.Get(api + "next")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		event, err := io.ReadAll(next.Body)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		answer, _ := json.Marshal(look(event))
		if _, err := http.Post(api+next.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", bytes.NewReader(answer)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// look asks Entra for its configuration: that needs the CA of SSL_CERT_FILE.
func look(event []byte) map[string]any {
	seen := map[string]any{"event": string(event), "name": os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), "installation": os.Getenv("ROLLCALL_INSTALLATION")}
	response, err := http.Get(os.Getenv("ROLLCALL_ENTRA_AUTHORITY") + "/" + os.Getenv("TENANT") + "/v2.0/.well-known/openid-configuration")
	if err != nil {
		seen["entra"] = err.Error()
		return seen
	}
	seen["entra"] = response.Status
	return seen
}
