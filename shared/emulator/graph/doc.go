// Package graph emulates one Microsoft Entra tenant: Microsoft Graph as rollcall uses it, and the sign-in that
// gives out its tokens. It exists because there is no official emulator, and because canned answers cannot tell a
// delta query from a list: this one keeps state with its whole history, and takes its time from a clock.
//
// Make one with New, change its Tenant as an administrator would, and point any client at it. It serves
//
//	/v1.0/groups, /groups/{id}, /groups/{id}/members and /transitiveMembers (cast, /$count)
//	/v1.0/groups/delta and /users/delta, in every spelling (delta, delta(), microsoft.graph.delta)
//	/v1.0/users, /users/{id}, /users/{id}/memberOf and /transitiveMemberOf, /users/{id}/checkMemberGroups
//	/v1.0/directoryObjects/getByIds, /$batch, /subscriptions
//	/{tenant}/oauth2/v2.0/token, /{tenant}/v2.0/.well-known/openid-configuration, /common/discovery/instance
//
// azidentity speaks only HTTPS: whoever serves this handler serves TLS. Absolute links and the token endpoint's
// address are those of the request, or of WithBaseURL. azidentity keeps an access token by the machine's clock;
// where the emulator's clock runs ahead of it by more than Behaviour.TokenLife, the token is refused with 401, as
// an expired one is: use a new credential, or a longer TokenLife.
//
// It refuses what Graph refuses. What it does not know at all (an option, a path) is refused loudly: 501
// EmulatorNotImplemented, or Graph's own 400 for an unknown segment; it never answers something plausible instead.
// It verifies no signature of an outside token, and it is no place to keep a real secret.
//
// # Documented, and so always in force
//
//   - members: 100 objects a page; direct members only; service principals are missing in v1.0 (known issue);
//     devices, contacts and groups come with their @odata.type; follow @odata.nextLink as it is; headers are not
//     part of a link. https://learn.microsoft.com/graph/api/group-list-members
//   - a type that the app may not read: 200, with type and id, all else null.
//     https://learn.microsoft.com/graph/permissions-overview
//   - cast, $filter on members and $count need ConsistencyLevel: eventual; ?$count=true without it is ignored; the
//     /$count segment without it is 400. https://learn.microsoft.com/graph/aad-advanced-queries
//   - $filter: 15 expressions, or a URL of 2,048 characters for an advanced query.
//     https://learn.microsoft.com/graph/filter-query-parameter
//   - delta: $filter on at most 50 ids, no $top, $expand or $orderby; parameters are in the token; a next link or a
//     delta link, never both; members@delta holds type and id, is absent when empty, and a large group repeats over
//     pages; $deltatoken=latest; Prefer: return=minimal; links live 7 days; only selected properties trigger; a
//     soft-deleted user stays a member and shows in users/delta only ("changed"), until the purge ("deleted").
//     https://learn.microsoft.com/graph/delta-query-overview, delta-query-groups, delta-query-users
//   - checkMemberGroups: transitive, 20 groups. getByIds: 1,000 ids, no options, no accountEnabled. $batch: 20
//     items, each with its own status and throttling; dependsOn gives 424.
//   - resource units and limits: https://learn.microsoft.com/graph/throttling-limits
//   - subscriptions: validated before they exist, 100 an app, 41,760 minutes.
//   - sign-in: error shapes and the meaning of the numbers.
//     https://learn.microsoft.com/entra/identity-platform/reference-error-codes
//
// # Documented or observed as possible, set by a switch of Behaviour
//
//   - replication delay: Lag, Uneven. An empty page with a next link: EmptyPages. A repeated round: Replay.
//   - tombstones in a first answer (on): FirstTombstones. $top up to 999: MostTop.
//   - observed: the cast without its header: CastWithoutHeader; an endless round: EndlessDelta; a purge that
//     groups/delta does not show: PurgeUnseen; batch answers out of order (on): BatchInOrder.
//
// # Unknown, set by a switch
//
//   - delta page sizes: DeltaGroups, DeltaMembers, DeltaUsers. The error of an old link: Expired (400
//     syncStateNotFound, nested, Directory_ExpiredPageToken, or 410 with Location); how long a list's next link
//     lives: PageLife (for ever).
//   - $deltatoken=latest with $filter: LatestRefusesFilter (works). Members in a replay that are older than the
//     news: ReplayStale.
//   - hidden membership without Member.Read.Hidden: Hidden (empty 200). employeeLeaveDateTime without its
//     permission: LeaveDate (null). Soft-deleted members in lists: SoftDeletedMembers (not listed).
//
// # Unknown, and one answer chosen
//
//   - the code in the body of a 429 ("TooManyRequests"), of too many batch items ("MaximumValueExceeded"), of too
//     many delta ids (Request_BadRequest) and of a badly formed token (Request_BadRequest)
//   - a restored group in groups/delta comes with all its members
//   - memberOf and checkMemberGroups leave out groups with hidden membership without Member.Read.Hidden
//   - HTTP statuses beside AADSTS numbers
//   - the payload of notifications about /groups/{id}/members
package graph
