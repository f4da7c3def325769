package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/workspaces"
	"github.com/aws/aws-sdk-go-v2/service/workspaces/types"

	"rollcall/shared/desktop"
	"rollcall/shared/fault"
)

// MostPerCall is how many desktops CreateWorkspaces and DescribeWorkspaces take.
// https://docs.aws.amazon.com/workspaces/latest/api/API_CreateWorkspaces.html
const MostPerCall = 25

// Create asks for 1 to MostPerCall desktops in one call and answers by desktop.AnswerKey; whoever the service did
// not mention is absent from the map. An error is about the whole call: Throttled and everything the service
// refused left nothing behind; after Unavailable the outcome is not known.
func (f *Fleet) Create(ctx context.Context, requests []desktop.Request) (map[string]desktop.Outcome, error) {
	in := &workspaces.CreateWorkspacesInput{Workspaces: make([]types.WorkspaceRequest, len(requests))}
	for i, r := range requests {
		in.Workspaces[i] = wireRequest(r)
	}
	out, err := f.workspaces.CreateWorkspaces(ctx, in, func(o *workspaces.Options) { o.Retryer = careful() })
	if err != nil {
		return nil, classify(err, fmt.Sprintf("creating %d desktops in %s", len(requests), f.lane))
	}
	return answers(requests, out), nil
}

// answers maps what came back to who was asked for. A pending answer may be incomplete: the one answer without a
// name belongs to the one person without an answer, and to nobody if there are more.
func answers(requests []desktop.Request, out *workspaces.CreateWorkspacesOutput) map[string]desktop.Outcome {
	open := make(map[string]bool, len(requests))
	for _, r := range requests {
		open[r.Key()] = true
	}
	result := make(map[string]desktop.Outcome, len(requests))
	for _, failed := range out.FailedRequests {
		if failed.WorkspaceRequest == nil {
			continue
		}
		key := desktop.AnswerKey(aws.ToString(failed.WorkspaceRequest.DirectoryId), aws.ToString(failed.WorkspaceRequest.UserName))
		if open[key] {
			delete(open, key)
			result[key] = desktop.Outcome{Err: itemError(aws.ToString(failed.ErrorCode), aws.ToString(failed.ErrorMessage))}
		}
	}
	var nameless []desktop.Desktop
	for _, pending := range out.PendingRequests {
		d := desktopOf(pending)
		key := desktop.AnswerKey(d.Directory, d.UserName)
		switch {
		case d.ID == "":
		case open[key]:
			delete(open, key)
			result[key] = desktop.Outcome{Desktop: d}
		case d.Directory == "" || d.UserName == "":
			nameless = append(nameless, d)
		}
	}
	if len(nameless) == 1 && len(open) == 1 {
		for key := range open {
			result[key] = desktop.Outcome{Desktop: nameless[0]}
		}
	}
	return result
}

// itemError is the failure of one person inside an answer, with the service's code and words.
func itemError(code, message string) error {
	m := meaningOf(code, message, 0)
	if message == "" {
		message = "the service gave no message"
	}
	e := fault.New(m.kind, message)
	e.Code, e.Advice = code, m.advice
	return e
}

// Describe finds desktops by 1 to MostPerCall ids. An id that the service does not show is absent from the map:
// that is no error, and for a new desktop it means nothing for some minutes.
func (f *Fleet) Describe(ctx context.Context, ids []string) (map[string]desktop.Desktop, error) {
	found, err := f.describe(ctx, &workspaces.DescribeWorkspacesInput{WorkspaceIds: ids},
		fmt.Sprintf("describing %d desktops in %s", len(ids), f.lane))
	if err != nil {
		return nil, err
	}
	byID := make(map[string]desktop.Desktop, len(found))
	for _, d := range found {
		byID[d.ID] = d
	}
	return byID, nil
}

// Find finds the desktops of a user name in a directory: none, one, or several, because the service goes by the
// account's SID and a re-created account may hold a second one under the same name.
// https://docs.aws.amazon.com/workspaces/latest/adminguide/amazon-workspaces-troubleshooting.html
func (f *Fleet) Find(ctx context.Context, directory, userName string) ([]desktop.Desktop, error) {
	found, err := f.describe(ctx, &workspaces.DescribeWorkspacesInput{DirectoryId: &directory, UserName: &userName},
		fmt.Sprintf("looking for the desktop of %s in %s", userName, directory))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(d desktop.Desktop) bool {
		return d.Directory != directory || !strings.EqualFold(d.UserName, userName)
	}), nil
}

// describe reads every page, or fails.
func (f *Fleet) describe(ctx context.Context, in *workspaces.DescribeWorkspacesInput, doing string) ([]desktop.Desktop, error) {
	var found []desktop.Desktop
	pages := workspaces.NewDescribeWorkspacesPaginator(f.workspaces, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classify(err, doing)
		}
		for _, w := range page.Workspaces {
			found = append(found, desktopOf(w))
		}
	}
	return found, nil
}

// Tags are the tags of a desktop. The error is NotFound where the desktop is gone, or is not shown yet.
func (f *Fleet) Tags(ctx context.Context, id string) (map[string]string, error) {
	out, err := f.workspaces.DescribeTags(ctx, &workspaces.DescribeTagsInput{ResourceId: &id})
	if err != nil {
		return nil, classify(err, "reading the tags of desktop "+id)
	}
	tags := make(map[string]string, len(out.TagList))
	for _, t := range out.TagList {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return tags, nil
}

// wireRequest is a request as the SDK has it. ComputeTypeName is never sent: one that does not fit the bundle is
// accepted and makes a wrong desktop. RunningMode always is: it decides the price, and the default is not documented.
func wireRequest(r desktop.Request) types.WorkspaceRequest {
	properties := &types.WorkspaceProperties{RunningMode: types.RunningMode(r.RunningMode)}
	if r.RunningMode == desktop.AutoStop && r.AutoStopMinutes > 0 {
		properties.RunningModeAutoStopTimeoutInMinutes = aws.Int32(int32(r.AutoStopMinutes))
	}
	if r.RootGB > 0 {
		properties.RootVolumeSizeGib = aws.Int32(int32(r.RootGB))
	}
	if r.UserGB > 0 {
		properties.UserVolumeSizeGib = aws.Int32(int32(r.UserGB))
	}
	if r.Protocol != "" {
		properties.Protocols = []types.Protocol{types.Protocol(r.Protocol)}
	}
	w := types.WorkspaceRequest{
		DirectoryId: aws.String(r.Directory), UserName: aws.String(r.UserName), BundleId: aws.String(r.Bundle),
		WorkspaceProperties: properties, Tags: wireTags(r),
	}
	if r.EncryptRoot {
		w.RootVolumeEncryptionEnabled = aws.Bool(true)
	}
	if r.EncryptUser {
		w.UserVolumeEncryptionEnabled = aws.Bool(true)
	}
	if r.EncryptRoot || r.EncryptUser {
		w.VolumeEncryptionKey = aws.String(r.Spec.Key)
	}
	return w
}

// wireTags are the profile's tags and the ownership tags, which win, sorted by key.
func wireTags(r desktop.Request) []types.Tag {
	all := maps.Clone(r.Tags)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, r.Owner.Tags())
	tags := make([]types.Tag, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		tags = append(tags, types.Tag{Key: aws.String(key), Value: aws.String(all[key])})
	}
	return tags
}

func desktopOf(w types.Workspace) desktop.Desktop {
	d := desktop.Desktop{
		ID: aws.ToString(w.WorkspaceId), Directory: aws.ToString(w.DirectoryId), UserName: aws.ToString(w.UserName),
		State: desktop.State(w.State), Bundle: aws.ToString(w.BundleId), Subnet: aws.ToString(w.SubnetId),
		Computer: aws.ToString(w.ComputerName), ErrorCode: aws.ToString(w.ErrorCode), ErrorMessage: aws.ToString(w.ErrorMessage),
	}
	if w.WorkspaceProperties != nil {
		d.RunningMode = desktop.RunningMode(w.WorkspaceProperties.RunningMode)
	}
	if d.State == desktop.Errored {
		if m, ok := wordsOf(d.ErrorMessage); ok {
			d.ErrorKind = m.kind
		}
	}
	return d
}
