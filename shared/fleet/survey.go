package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/workspaces"
	"github.com/aws/aws-sdk-go-v2/service/workspaces/types"

	"rollcall/shared/desktop"
	"rollcall/shared/fault"
)

// The quota on WorkSpaces in an account and Region; the default is 1.
// https://docs.aws.amazon.com/workspaces/latest/adminguide/workspaces-limits.html
const (
	quotaService = "workspaces"
	quotaCode    = "L-34278094"
)

// mostPages is how many pages of DescribeWorkspaces a survey spends on counting what the quota has used: there is
// no call that counts. An account with more than these 100 desktops has a quota that somebody looks after.
const mostPages = 4

// Survey reads what the planner needs to know of directories: registration, bundles, addresses, quota. What could
// not be read stands as one sentence in a catalogue's Problem. An error (Throttled or Unavailable) means that
// nothing could be read for now, and that what was recorded before still stands.
func (f *Fleet) Survey(ctx context.Context, directories, bundles []string) ([]desktop.Catalogue, error) {
	read := f.clock.Now()
	found, problem, err := f.directories(ctx, directories)
	if err != nil {
		return nil, err
	}
	s := findings{found: found}
	s.bundles, err = f.bundles(ctx, bundles)
	s.problem(err)
	s.subnets, err = f.subnets(ctx, found)
	s.problem(err)
	if s.quota, err = f.quota(ctx); s.problem(err) {
		s.quota = -1
	}
	if s.used, err = f.used(ctx); s.problem(err) {
		s.used = -1
	}
	if s.passing != nil {
		return nil, s.passing
	}
	catalogues := make([]desktop.Catalogue, 0, len(directories))
	for _, id := range directories {
		c := desktop.Catalogue{Lane: f.lane, Directory: id, Read: read, Problem: problem, Quota: -1, Used: -1}
		if problem == "" {
			c = s.catalogue(c)
		}
		catalogues = append(catalogues, c)
	}
	return catalogues, nil
}

// findings are what a survey has read so far, and what it could not read.
type findings struct {
	found    map[string]types.WorkspaceDirectory
	bundles  map[string]string
	subnets  map[string]desktop.Subnet
	quota    int
	used     int
	problems []string
	passing  error // the first failure that will pass
}

// problem notes a failure, if err is one.
func (s *findings) problem(err error) bool {
	switch {
	case err == nil:
		return false
	case fault.Of(err).Passing():
		if s.passing == nil {
			s.passing = err
		}
	default:
		s.problems = append(s.problems, err.Error())
	}
	return true
}

// catalogue fills in what is known of one directory.
func (s *findings) catalogue(c desktop.Catalogue) desktop.Catalogue {
	problems := slices.Clone(s.problems)
	c.Bundles, c.Quota, c.Used = s.bundles, s.quota, s.used
	d, ok := s.found[c.Directory]
	if !ok {
		c.Problem = strings.Join(append([]string{fmt.Sprintf(
			"directory %s is not registered with WorkSpaces in account %s, Region %s", c.Directory, c.Lane.Account, c.Lane.Region)},
			problems...), "; ")
		return c
	}
	c.Name, c.Type, c.State = aws.ToString(d.DirectoryName), string(d.DirectoryType), string(d.State)
	c.RegistrationCode = aws.ToString(d.RegistrationCode)
	for _, id := range d.SubnetIds {
		if subnet, ok := s.subnets[id]; ok {
			c.Subnets = append(c.Subnets, subnet)
		} else if s.subnets != nil {
			problems = append(problems, fmt.Sprintf("subnet %s of directory %s is not there", id, c.Directory))
		}
	}
	if message := aws.ToString(d.ErrorMessage); message != "" {
		problems = append(problems, fmt.Sprintf("directory %s: %s", c.Directory, message))
	}
	c.Problem = strings.Join(problems, "; ")
	return c
}

// directories reads the registrations. A failure that will pass is an error; any other is a sentence.
func (f *Fleet) directories(ctx context.Context, ids []string) (map[string]types.WorkspaceDirectory, string, error) {
	found := map[string]types.WorkspaceDirectory{}
	for chunk := range slices.Chunk(ids, MostPerCall) {
		pages := workspaces.NewDescribeWorkspaceDirectoriesPaginator(f.workspaces,
			&workspaces.DescribeWorkspaceDirectoriesInput{DirectoryIds: chunk})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err = classify(err, fmt.Sprintf("reading the directories %s in %s", strings.Join(chunk, ", "), f.lane)); err != nil {
				if fault.Of(err).Passing() {
					return nil, "", err
				}
				return nil, err.Error(), nil
			}
			for _, d := range page.Directories {
				found[aws.ToString(d.DirectoryId)] = d
			}
		}
	}
	return found, "", nil
}

// bundles are the names by id; one that does not exist has an empty name. Whether the service leaves an unknown id
// out or refuses the call is not documented, so a refused call is asked again for each id alone.
func (f *Fleet) bundles(ctx context.Context, ids []string) (map[string]string, error) {
	names := make(map[string]string, len(ids))
	for _, id := range ids {
		names[id] = ""
	}
	for chunk := range slices.Chunk(ids, MostPerCall) {
		err := f.bundleNames(ctx, chunk, names)
		if len(chunk) > 1 && fault.Is(err, fault.Rejected, fault.NotFound) {
			for _, id := range chunk {
				if err = f.bundleNames(ctx, []string{id}, names); err != nil && !fault.Is(err, fault.Rejected, fault.NotFound) {
					return nil, err
				}
			}
			continue
		}
		if err != nil && !fault.Is(err, fault.Rejected, fault.NotFound) {
			return nil, err
		}
	}
	return names, nil
}

func (f *Fleet) bundleNames(ctx context.Context, ids []string, names map[string]string) error {
	pages := workspaces.NewDescribeWorkspaceBundlesPaginator(f.workspaces, &workspaces.DescribeWorkspaceBundlesInput{BundleIds: ids})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return classify(err, fmt.Sprintf("reading the bundles %s in %s", strings.Join(ids, ", "), f.lane))
		}
		for _, b := range page.Bundles {
			names[aws.ToString(b.BundleId)] = aws.ToString(b.Name)
		}
	}
	return nil
}

// subnets are the subnets of all directories, in one call.
func (f *Fleet) subnets(ctx context.Context, directories map[string]types.WorkspaceDirectory) (map[string]desktop.Subnet, error) {
	var ids []string
	for _, d := range directories {
		ids = append(ids, d.SubnetIds...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return map[string]desktop.Subnet{}, nil
	}
	// A filter, not SubnetIds: a subnet that is gone would fail the call for all of them.
	out, err := f.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{
		Filters: []ec2types.Filter{{Name: aws.String("subnet-id"), Values: ids}},
	})
	if err != nil {
		return nil, classify(err, fmt.Sprintf("reading the subnets %s in %s", strings.Join(ids, ", "), f.lane))
	}
	subnets := make(map[string]desktop.Subnet, len(ids))
	for _, s := range out.Subnets {
		id := aws.ToString(s.SubnetId)
		subnets[id] = desktop.Subnet{ID: id, Zone: aws.ToString(s.AvailabilityZone), Free: int(aws.ToInt32(s.AvailableIpAddressCount))}
	}
	return subnets, nil
}

// quota is how many WorkSpaces the account may have in the Region. Where no value was ever applied, the default is.
func (f *Fleet) quota(ctx context.Context) (int, error) {
	doing := "reading the WorkSpaces quota (" + quotaCode + ") of " + f.lane.String()
	out, err := f.quotas.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{
		ServiceCode: aws.String(quotaService), QuotaCode: aws.String(quotaCode),
	})
	if err == nil {
		if out.Quota == nil || out.Quota.Value == nil {
			return 0, fault.New(fault.NotFound, doing+": the answer has no value")
		}
		return int(*out.Quota.Value), nil
	}
	if err = classify(err, doing); !fault.Is(err, fault.NotFound) {
		return 0, err
	}
	standard, err := f.quotas.GetAWSDefaultServiceQuota(ctx, &servicequotas.GetAWSDefaultServiceQuotaInput{
		ServiceCode: aws.String(quotaService), QuotaCode: aws.String(quotaCode),
	})
	if err != nil {
		return 0, classify(err, doing)
	}
	if standard.Quota == nil || standard.Quota.Value == nil {
		return 0, fault.New(fault.NotFound, doing+": the answer has no value")
	}
	return int(*standard.Quota.Value), nil
}

// used is how many WorkSpaces there are, or -1 where they are more than mostPages show. Whether the service counts
// those in ERROR or TERMINATING is not documented; here all are counted.
func (f *Fleet) used(ctx context.Context) (int, error) {
	n := 0
	pages := workspaces.NewDescribeWorkspacesPaginator(f.workspaces, &workspaces.DescribeWorkspacesInput{Limit: aws.Int32(MostPerCall)})
	for page := 0; pages.HasMorePages(); page++ {
		if page == mostPages {
			return -1, nil
		}
		out, err := pages.NextPage(ctx)
		if err != nil {
			return 0, classify(err, "counting the desktops of "+f.lane.String())
		}
		n += len(out.Workspaces)
	}
	return n, nil
}
