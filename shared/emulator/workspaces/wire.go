package workspaces

import "time"

// The API's structures, by their member names. What is empty is left out, except lists that the service always
// sends. Times are seconds since 1970.

type epoch float64

func epochOf(t time.Time) epoch { return epoch(float64(t.UnixMilli()) / 1000) }

type tag struct {
	Key   string
	Value string
}

type globalAccelerator struct {
	Mode              string
	PreferredProtocol string `json:",omitempty"`
}

// properties has pointers, because what was not said is not the same as zero.
type properties struct {
	RunningMode                         string             `json:",omitempty"`
	RunningModeAutoStopTimeoutInMinutes *int               `json:",omitempty"`
	RootVolumeSizeGib                   *int               `json:",omitempty"`
	UserVolumeSizeGib                   *int               `json:",omitempty"`
	ComputeTypeName                     string             `json:",omitempty"`
	Protocols                           []string           `json:",omitempty"`
	OperatingSystemName                 string             `json:",omitempty"`
	GlobalAccelerator                   *globalAccelerator `json:",omitempty"`
}

type createItem struct {
	DirectoryId                 string
	UserName                    string
	BundleId                    string
	VolumeEncryptionKey         string      `json:",omitempty"`
	UserVolumeEncryptionEnabled *bool       `json:",omitempty"`
	RootVolumeEncryptionEnabled *bool       `json:",omitempty"`
	WorkspaceProperties         *properties `json:",omitempty"`
	Tags                        []tag       `json:",omitempty"`
	WorkspaceName               string      `json:",omitempty"`
	Ipv6Address                 string      `json:",omitempty"`
}

type createRequest struct{ Workspaces []createItem }

type failedCreate struct {
	WorkspaceRequest createItem
	ErrorCode        string `json:",omitempty"`
	ErrorMessage     string `json:",omitempty"`
}

type createAnswer struct {
	FailedRequests  []failedCreate
	PendingRequests []workspaceWire
}

type modification struct{ Resource, State string }

type workspaceWire struct {
	WorkspaceId                 string
	DirectoryId                 string
	UserName                    string
	IpAddress                   string `json:",omitempty"`
	State                       string
	BundleId                    string
	SubnetId                    string         `json:",omitempty"`
	ErrorMessage                string         `json:",omitempty"`
	ErrorCode                   string         `json:",omitempty"`
	ComputerName                string         `json:",omitempty"`
	VolumeEncryptionKey         string         `json:",omitempty"`
	UserVolumeEncryptionEnabled bool           `json:",omitempty"`
	RootVolumeEncryptionEnabled bool           `json:",omitempty"`
	WorkspaceName               string         `json:",omitempty"`
	WorkspaceProperties         properties     `json:",omitzero"`
	ModificationStates          []modification `json:",omitempty"`
}

type describeRequest struct {
	WorkspaceIds  []string
	DirectoryId   string
	UserName      string
	BundleId      string
	Limit         int
	NextToken     string
	WorkspaceName string
}

type describeAnswer struct {
	Workspaces []workspaceWire
	NextToken  string `json:",omitempty"`
}

type changeItem struct{ WorkspaceId string }

type changeRequest struct {
	TerminateWorkspaceRequests []changeItem
	StartWorkspaceRequests     []changeItem
	StopWorkspaceRequests      []changeItem
	RebootWorkspaceRequests    []changeItem
	RebuildWorkspaceRequests   []changeItem
}

type failedChange struct {
	WorkspaceId  string
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

type changeAnswer struct{ FailedRequests []failedChange }

type nothing struct{}

type oneRequest struct{ WorkspaceId string }

type modifyRequest struct {
	WorkspaceId         string
	WorkspaceProperties *properties
	DataReplication     string
}

type stateRequest struct{ WorkspaceId, WorkspaceState string }

type migrateRequest struct{ SourceWorkspaceId, BundleId string }

type migrateAnswer struct{ SourceWorkspaceId, TargetWorkspaceId string }

type snapshot struct{ SnapshotTime epoch }

type snapshotsAnswer struct{ RebuildSnapshots, RestoreSnapshots []snapshot }

type connectionRequest struct {
	WorkspaceIds []string
	NextToken    string
}

type connectionWire struct {
	WorkspaceId                      string
	ConnectionState                  string
	ConnectionStateCheckTimestamp    epoch
	LastKnownUserConnectionTimestamp epoch `json:",omitempty"`
}

type connectionAnswer struct {
	WorkspacesConnectionStatus []connectionWire
	NextToken                  string `json:",omitempty"`
}

type tagsRequest struct {
	ResourceId string
	Tags       []tag
	TagKeys    []string
}

type tagsAnswer struct{ TagList []tag }

type accountAnswer struct {
	DedicatedTenancySupport             string
	DedicatedTenancyManagementCidrRange string `json:",omitempty"`
	DedicatedTenancyAccountType         string `json:",omitempty"`
}

type filter struct {
	Name   string
	Values []string
}

type directoriesRequest struct {
	DirectoryIds            []string
	WorkspaceDirectoryNames []string
	Limit                   int
	NextToken               string
	Filters                 []filter
}

type entraConfig struct{ TenantId string }

type directoryWire struct {
	DirectoryId          string
	Alias                string `json:",omitempty"`
	DirectoryName        string `json:",omitempty"`
	RegistrationCode     string
	SubnetIds            []string
	DirectoryType        string
	State                string
	Tenancy              string
	UserIdentityType     string
	WorkspaceType        string
	MicrosoftEntraConfig *entraConfig `json:",omitempty"`
	ErrorMessage         string       `json:",omitempty"`
}

type directoriesAnswer struct {
	Directories []directoryWire
	NextToken   string `json:",omitempty"`
}

type bundlesRequest struct {
	BundleIds []string
	Owner     *string
	NextToken string
}

type capacity struct{ Capacity string }

type computeType struct{ Name string }

type bundleWire struct {
	BundleId        string
	Name            string
	Owner           string
	Description     string `json:",omitempty"`
	RootStorage     capacity
	UserStorage     capacity
	ComputeType     computeType
	CreationTime    epoch
	LastUpdatedTime epoch
	State           string
	BundleType      string
}

type bundlesAnswer struct {
	Bundles   []bundleWire
	NextToken string `json:",omitempty"`
}
