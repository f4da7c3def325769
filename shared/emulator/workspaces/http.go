package workspaces

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"time"

	"rollcall/shared/emulator/service"
)

const (
	targetPrefix = "WorkspacesService."
	jsonType     = "application/x-amz-json-1.1"
)

// call is one request that got as far as being done.
type call struct {
	caller string
	now    time.Time
}

// operation is one of the API's: what its request must look like, and what it does. run has the lane to itself.
type operation struct {
	input *shape
	run   func(l *Lane, c call, body []byte) (any, *refusal)
}

// does makes an operation of a function over the API's structures.
func does[In, Out any](input *shape, f func(*Lane, call, In) (Out, *refusal)) operation {
	return operation{input, func(l *Lane, c call, body []byte) (any, *refusal) {
		var in In
		if len(body) > 0 {
			if err := json.Unmarshal(body, &in); err != nil {
				return nil, refuse(serialization, "The request body is not what the operation takes.")
			}
		}
		out, no := f(l, c, in)
		return out, no
	}}
}

func operations() map[string]operation {
	tags := map[string]*shape{"Tags": tagList()}
	keys := map[string]*shape{"TagKeys": listOf(words(1, 0), 0, 0)}
	modify := map[string]*shape{
		"WorkspaceProperties": propertiesShape(), "DataReplication": oneOf("NO_REPLICATION", "PRIMARY_AS_SOURCE"),
	}
	target := map[string]*shape{"WorkspaceState": oneOf("AVAILABLE", "ADMIN_MAINTENANCE")}
	return map[string]operation{
		"CreateWorkspaces":    does(createShape(), (*Lane).create),
		"DescribeWorkspaces":  does(describeShape(), (*Lane).describe),
		"TerminateWorkspaces": does(changeShape("TerminateWorkspaceRequests", 25, "WorkspaceId"), (*Lane).terminateCall),
		"StartWorkspaces":     does(changeShape("StartWorkspaceRequests", 25), (*Lane).startCall),
		"StopWorkspaces":      does(changeShape("StopWorkspaceRequests", 25), (*Lane).stopCall),
		"RebootWorkspaces":    does(changeShape("RebootWorkspaceRequests", 25, "WorkspaceId"), (*Lane).rebootCall),
		"RebuildWorkspaces":   does(changeShape("RebuildWorkspaceRequests", 1, "WorkspaceId"), (*Lane).rebuildCall),

		"RestoreWorkspace":           does(oneWorkspace(nil), (*Lane).restoreCall),
		"ModifyWorkspaceProperties":  does(oneWorkspace(modify), (*Lane).modify),
		"ModifyWorkspaceState":       does(oneWorkspace(target, "WorkspaceState"), (*Lane).modifyState),
		"MigrateWorkspace":           does(migrateShape(), (*Lane).migrate),
		"DescribeWorkspaceSnapshots": does(oneWorkspace(nil), (*Lane).snapshots),

		"DescribeWorkspaceDirectories":       does(describeDirectoriesShape(), (*Lane).describeDirectories),
		"DescribeWorkspaceBundles":           does(describeBundlesShape(), (*Lane).describeBundles),
		"DescribeWorkspacesConnectionStatus": does(connectionShape(), (*Lane).connections),

		"CreateTags":      does(tagShape(tags, "Tags"), (*Lane).createTags),
		"DeleteTags":      does(tagShape(keys, "TagKeys"), (*Lane).deleteTags),
		"DescribeTags":    does(tagShape(nil), (*Lane).describeTags),
		"DescribeAccount": does(object(nil, nil), (*Lane).describeAccount),
	}
}

type workspacesService struct{ *Emulator }

// Name is "workspaces".
func (workspacesService) Name() string { return "workspaces" }

// Operation is the name after the dot of X-Amz-Target, and the first id in the body.
func (workspacesService) Operation(r *http.Request, body []byte) (name, resource string) {
	var in struct {
		changeRequest
		createRequest
		WorkspaceId, SourceWorkspaceId, ResourceId, DirectoryId, BundleId string
		WorkspaceIds, DirectoryIds, BundleIds                             []string
	}
	name = shortName(r.Header.Get("X-Amz-Target"))
	if json.Unmarshal(body, &in) != nil {
		return name, "" // the call itself will say what is wrong with it
	}
	candidates := []string{in.WorkspaceId, in.SourceWorkspaceId, in.ResourceId, in.DirectoryId, in.BundleId}
	for _, some := range [][]string{in.WorkspaceIds, in.DirectoryIds, in.BundleIds} {
		candidates = append(candidates, some...)
	}
	for _, item := range in.Workspaces {
		candidates = append(candidates, item.DirectoryId)
	}
	for _, item := range in.items() {
		candidates = append(candidates, item.WorkspaceId)
	}
	for _, id := range candidates {
		if id != "" {
			return name, id
		}
	}
	return name, ""
}

// Refuse answers as WorkSpaces does; a drop breaks the connection.
func (s workspacesService) Refuse(w http.ResponseWriter, r *http.Request, why service.Refusal) {
	name, _ := s.Operation(r, nil)
	writeRefusal(w, refusalOf(why, "workspaces:"+name, throttling), "message")
}

// refusalOf is a refusal in JSON services; a drop does not return.
func refusalOf(why service.Refusal, action, throttle string) *refusal {
	switch why {
	case service.Throttle:
		return refuse(throttle, rateExceeded)
	case service.Deny:
		return refuse(accessDenied, "User is not authorized to perform: %s", action)
	case service.Unavailable:
		return &refusal{status: 503, code: unavailableNow, text: "Service is unavailable."}
	case service.ServerError:
		return &refusal{status: 500, code: serverTrouble, text: "Internal server error."}
	default:
		drop()
		return nil
	}
}

// ServeHTTP serves one call: throttle, validation, the operation itself, the lane's latency, the answer.
func (s workspacesService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		drop()
	}
	l, caller := s.laneOf(r)
	name := shortName(r.Header.Get("X-Amz-Target"))
	answer, no, lost := l.perform(s.calls, r.Header.Get("X-Amz-Target"), name, caller, body)
	if err := s.answerLate(r.Context(), l); err != nil || lost {
		drop()
	}
	if no != nil {
		writeRefusal(w, no, "message")
		return
	}
	writeJSON(w, 200, answer)
}

// perform does one call on the lane; lost says that the answer is not to arrive.
func (l *Lane) perform(calls map[string]operation, target, name, caller string, body []byte) (answer any, no *refusal, lost bool) {
	l.with(func(now time.Time) {
		if !l.admit(name, now) {
			no = refuse(throttling, rateExceeded)
			return
		}
		op, ok := calls[name]
		if !ok || target != targetPrefix+name {
			no = refuse(unknownCall, "The operation %q is not emulated.", target)
			return
		}
		if injected := l.injected(failCall, name); injected != nil {
			no = &refusal{status: injected.status, code: injected.failure.Code, text: injected.failure.Message}
			return
		}
		if no = validate(body, op.input); no != nil {
			return
		}
		answer, no = op.run(l, call{caller, now}, body)
		lost = l.injected(dropAnswer, name) != nil
	})
	return answer, no, lost
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	// What fails here is the connection: there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(body)
}

// writeRefusal writes an exception of a JSON 1.1 service; message is the member's name in its model.
func writeRefusal(w http.ResponseWriter, no *refusal, message string) {
	body := map[string]string{"__type": no.code, message: no.text}
	maps.Copy(body, no.more)
	w.Header().Set("X-Amzn-ErrorType", no.code)
	writeJSON(w, no.status, body)
}
