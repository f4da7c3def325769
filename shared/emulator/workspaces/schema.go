package workspaces

import (
	"regexp"
	"slices"

	"rollcall/shared/desktop"
)

// What the API model says of the requests that are emulated: names, required members, limits, patterns, enums.
// A test holds these tables against the model itself, where it is at hand.

// Patterns of the ids. The model's own first one is not anchored on all sides; the service matches the whole text.
const (
	directoryPattern = `^(?:(d-[0-9a-f]{8,63}$)|(wsd-[0-9a-z]{8,63}$))$`
	workspacePattern = `^ws-[0-9a-z]{8,63}$`
	bundlePattern    = `^wsb-[0-9a-z]{8,63}$`
	subnetPattern    = `^(subnet-([0-9a-f]{8}|[0-9a-f]{17}))$`
)

type kind string

const (
	structure kind = "structure"
	list      kind = "list"
	text      kind = "string"
	integer   kind = "integer"
	boolean   kind = "boolean"
)

// shape is the part of the model that a value is checked against. A zero max is no limit.
type shape struct {
	kind     kind
	members  map[string]*shape
	required []string
	of       *shape // items of a list
	min, max int
	pattern  *regexp.Regexp
	enum     []string
}

func object(required []string, members map[string]*shape) *shape {
	return &shape{kind: structure, members: members, required: required}
}

func listOf(of *shape, min, max int) *shape { return &shape{kind: list, of: of, min: min, max: max} }

func words(min, max int) *shape { return &shape{kind: text, min: min, max: max} }

func matching(pattern string) *shape {
	return &shape{kind: text, pattern: regexp.MustCompile(pattern)}
}

func oneOf(values ...string) *shape { return &shape{kind: text, enum: values} }

// computeTypes is the enum Compute.
func computeTypes() []string {
	return []string{
		"VALUE", "STANDARD", "PERFORMANCE", "POWER", "GRAPHICS", "POWERPRO", "GENERALPURPOSE_4XLARGE",
		"GENERALPURPOSE_8XLARGE", "GRAPHICSPRO", "GRAPHICS_G4DN", "GRAPHICSPRO_G4DN", "GRAPHICS_G6_XLARGE",
		"GRAPHICS_G6_2XLARGE", "GRAPHICS_G6_4XLARGE", "GRAPHICS_G6_8XLARGE", "GRAPHICS_G6_16XLARGE",
		"GRAPHICS_GR6_4XLARGE", "GRAPHICS_GR6_8XLARGE", "GRAPHICS_G6F_LARGE", "GRAPHICS_G6F_XLARGE",
		"GRAPHICS_G6F_2XLARGE", "GRAPHICS_G6F_4XLARGE", "GRAPHICS_GR6F_4XLARGE",
	}
}

func directoryID() *shape {
	return &shape{kind: text, min: 10, max: 65, pattern: regexp.MustCompile(directoryPattern)}
}

func ids(pattern string) *shape { return listOf(matching(pattern), 1, 25) }

func limit() *shape { return &shape{kind: integer, min: 1, max: 25} }

func tagList() *shape {
	return listOf(object([]string{"Key"}, map[string]*shape{"Key": words(1, 127), "Value": words(0, 255)}), 0, 0)
}

func workspaceName() *shape { return matching(`^[a-zA-Z0-9_()][a-zA-Z0-9_.()-]{1,63}$`) }

func propertiesShape() *shape {
	whole := &shape{kind: integer}
	return object(nil, map[string]*shape{
		"RunningMode":                         oneOf(string(desktop.AutoStop), string(desktop.AlwaysOn), "MANUAL"),
		"RunningModeAutoStopTimeoutInMinutes": whole,
		"RootVolumeSizeGib":                   whole,
		"UserVolumeSizeGib":                   whole,
		"ComputeTypeName":                     oneOf(computeTypes()...),
		"Protocols":                           listOf(oneOf("PCOIP", "WSP"), 0, 0),
		"OperatingSystemName": oneOf("AMAZON_LINUX_2", "UBUNTU_18_04", "UBUNTU_20_04", "UBUNTU_22_04", "UNKNOWN",
			"WINDOWS_10", "WINDOWS_11", "WINDOWS_7", "WINDOWS_SERVER_2016", "WINDOWS_SERVER_2019", "WINDOWS_SERVER_2022",
			"WINDOWS_SERVER_2025", "RHEL_8", "ROCKY_8"),
		"GlobalAccelerator": object([]string{"Mode"}, map[string]*shape{
			"Mode":              oneOf("ENABLED_AUTO", "DISABLED", "INHERITED"),
			"PreferredProtocol": oneOf("TCP", "NONE", "INHERITED"),
		}),
	})
}

func createShape() *shape {
	flag := &shape{kind: boolean}
	item := object([]string{"DirectoryId", "UserName", "BundleId"}, map[string]*shape{
		"DirectoryId":                 directoryID(),
		"UserName":                    words(1, 63),
		"BundleId":                    matching(bundlePattern),
		"VolumeEncryptionKey":         words(0, 0),
		"UserVolumeEncryptionEnabled": flag,
		"RootVolumeEncryptionEnabled": flag,
		"WorkspaceProperties":         propertiesShape(),
		"Tags":                        tagList(),
		"WorkspaceName":               workspaceName(),
		"Ipv6Address": matching(
			`^(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){0,6}::[0-9a-fA-F]{1,4}$`),
	})
	return object([]string{"Workspaces"}, map[string]*shape{"Workspaces": listOf(item, 1, 25)})
}

// changeShape is the request of an operation on up to max WorkSpaces, in a list of that name.
func changeShape(member string, max int, required ...string) *shape {
	item := object(required, map[string]*shape{"WorkspaceId": matching(workspacePattern)})
	return object([]string{member}, map[string]*shape{member: listOf(item, 1, max)})
}

// oneWorkspace is the request of an operation on one WorkSpace.
func oneWorkspace(more map[string]*shape, required ...string) *shape {
	members := map[string]*shape{"WorkspaceId": matching(workspacePattern)}
	for name, s := range more {
		members[name] = s
	}
	return object(slices.Concat([]string{"WorkspaceId"}, required), members)
}

func describeShape() *shape {
	return object(nil, map[string]*shape{
		"WorkspaceIds": ids(workspacePattern), "DirectoryId": directoryID(), "UserName": words(1, 63),
		"BundleId": matching(bundlePattern), "Limit": limit(), "NextToken": words(1, 2048), "WorkspaceName": workspaceName(),
	})
}

func describeDirectoriesShape() *shape {
	filter := object([]string{"Name", "Values"}, map[string]*shape{
		"Name":   oneOf("USER_IDENTITY_TYPE", "WORKSPACE_TYPE"),
		"Values": listOf(matching(`^[0-9a-zA-Z\*\.\\/\?-_]{0,64}$`), 1, 25),
	})
	return object(nil, map[string]*shape{
		"DirectoryIds":            listOf(directoryID(), 1, 25),
		"WorkspaceDirectoryNames": ids(`^[a-zA-Z0-9][a-zA-Z0-9_.\s-]{1,64}$`),
		"Limit":                   limit(), "NextToken": words(1, 2048), "Filters": listOf(filter, 1, 25),
	})
}

func describeBundlesShape() *shape {
	return object(nil, map[string]*shape{
		"BundleIds": ids(bundlePattern), "Owner": words(0, 0), "NextToken": words(1, 2048),
	})
}

func connectionShape() *shape {
	return object(nil, map[string]*shape{"WorkspaceIds": ids(workspacePattern), "NextToken": words(1, 2048)})
}

func migrateShape() *shape {
	return object([]string{"SourceWorkspaceId", "BundleId"}, map[string]*shape{
		"SourceWorkspaceId": matching(workspacePattern), "BundleId": matching(bundlePattern),
	})
}

// tagShape is the request of an operation on the tags of one resource.
func tagShape(more map[string]*shape, required ...string) *shape {
	members := map[string]*shape{"ResourceId": words(1, 0)}
	for name, s := range more {
		members[name] = s
	}
	return object(slices.Concat([]string{"ResourceId"}, required), members)
}

func quotaShape() *shape {
	code := func(max int, pattern string) *shape {
		return &shape{kind: text, min: 1, max: max, pattern: regexp.MustCompile(pattern)}
	}
	return object([]string{"ServiceCode", "QuotaCode"}, map[string]*shape{
		"ServiceCode": code(63, `^[a-zA-Z][a-zA-Z0-9-]{1,63}$`),
		"QuotaCode":   code(128, `^[a-zA-Z][a-zA-Z0-9-]{1,128}$`),
		"ContextId":   words(0, 0),
	})
}
