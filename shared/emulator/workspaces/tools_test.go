package workspaces

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// run runs a tool of the machine against the emulator and returns what it prints, and whether it succeeded.
func (w *world) run(name string, args ...string) (string, bool) {
	w.Helper()
	cmd := exec.CommandContext(w.ctx, name, args...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=AKIATEST", "AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=",
		"AWS_DEFAULT_REGION="+testRegion, "AWS_REGION="+testRegion, "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

func TestAWSCommandLine(t *testing.T) {
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("SKIPPED, THE AWS COMMAND LINE WAS NOT TRIED: it is not on this machine")
	}
	w := newWorld(t)
	aws := func(args ...string) map[string]any {
		t.Helper()
		out, ok := w.run("aws", append([]string{"--endpoint-url", w.server.URL, "--output", "json"}, args...)...)
		var answer map[string]any
		if err := json.Unmarshal([]byte(out), &answer); !ok || err != nil {
			t.Fatalf("aws %s: %s", strings.Join(args, " "), out)
		}
		return answer
	}
	made := aws("workspaces", "create-workspaces", "--workspaces",
		"DirectoryId="+corp+",UserName=ada,BundleId="+standard+",WorkspaceProperties={RunningMode=AUTO_STOP},Tags=[{Key=a,Value=b}]",
		"DirectoryId="+corp+",UserName=nobody,BundleId="+standard)
	want(t, "failed", len(made["FailedRequests"].([]any)), 1)
	want(t, "pending", len(made["PendingRequests"].([]any)), 1)
	w.clock.Advance(20 * time.Minute)
	seen := aws("workspaces", "describe-workspaces", "--directory-id", corp)["Workspaces"].([]any)[0].(map[string]any)
	want(t, "state", seen["State"].(string), "AVAILABLE")
	subnets := aws("ec2", "describe-subnets", "--subnet-ids", subnetA, subnetB)
	want(t, "subnets", len(subnets["Subnets"].([]any)), 2)
	quota := aws("service-quotas", "get-service-quota", "--service-code", "workspaces", "--quota-code", WorkSpacesQuota)
	want(t, "quota", quota["Quota"].(map[string]any)["Value"].(float64), 100)
	out, ok := w.run("aws", "--endpoint-url", w.server.URL, "workspaces", "describe-workspaces", "--user-name", "ada")
	want(t, "a user without a directory succeeds", ok, false)
	want(t, "and says why", strings.Contains(out, "(InvalidParameterValuesException)") && strings.Contains(out, userNeedsFolder), true)
}

const botoScript = `
import sys, boto3, botocore
from botocore.config import Config
url = sys.argv[1]
one_try = Config(retries={"max_attempts": 1, "mode": "standard"})
ws = boto3.client("workspaces", endpoint_url=url, config=one_try)
def wish(user, **more):
    return dict(DirectoryId="d-9067f0a1b2", UserName=user, BundleId="wsb-standard01", **more)
answer = ws.create_workspaces(Workspaces=[wish("ada", Tags=[dict(Key="a", Value="b")]), wish("ADA"), wish("nobody")])
assert [p["UserName"] for p in answer["PendingRequests"]] == ["ada"], answer
assert [f["ErrorCode"] for f in answer["FailedRequests"]] == ["ResourceExists.WorkSpace", "ResourceNotFound.User"], answer
id = answer["PendingRequests"][0]["WorkspaceId"]
seen = [w for page in ws.get_paginator("describe_workspaces").paginate() for w in page["Workspaces"]]
assert [w["State"] for w in seen] == ["PENDING"], seen
assert ws.describe_tags(ResourceId=id)["TagList"] == [dict(Key="a", Value="b")]
assert ws.terminate_workspaces(TerminateWorkspaceRequests=[dict(WorkspaceId=id)])["FailedRequests"] == []
assert ws.describe_workspace_directories()["Directories"][0]["RegistrationCode"] == "wsfra+ABC123"
try:
    ws.create_workspaces(Workspaces=[wish("ken")] * 26)
    raise SystemExit("26 items were accepted")
except botocore.exceptions.ClientError as e:
    assert e.response["Error"]["Code"] == "ValidationException", e
subnets = boto3.client("ec2", endpoint_url=url, config=one_try).describe_subnets()["Subnets"]
assert [s["AvailableIpAddressCount"] for s in subnets] == [251, 251], subnets
quotas = boto3.client("service-quotas", endpoint_url=url, config=one_try)
assert quotas.get_service_quota(ServiceCode="workspaces", QuotaCode="L-34278094")["Quota"]["Value"] == 100
try:
    quotas.get_service_quota(ServiceCode="workspaces", QuotaCode="L-00000000")
    raise SystemExit("a quota that is not there was found")
except quotas.exceptions.NoSuchResourceException:
    pass
print("all is well")
`

func TestBoto3(t *testing.T) {
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("SKIPPED, BOTO3 WAS NOT TRIED: python3 with boto3 is not on this machine")
	}
	w := newWorld(t)
	out, ok := w.run("python3", "-c", botoScript, w.server.URL)
	if !ok || !strings.Contains(out, "all is well") {
		t.Fatalf("the script says: %s", out)
	}
}
