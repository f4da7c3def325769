package workspaces

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"rollcall/shared/clock"
	"rollcall/shared/desktop"
	"rollcall/shared/emulator/service"
)

// Options are what an Emulator is made with. Every field may be left out.
type Options struct {
	// Seed makes every id and every duration: the same seed and the same calls give the same world.
	Seed uint64
	// Account and Region are used for a request that did not come through the gateway (no service.Caller in its
	// context); the Region of its SigV4 scope comes first. Default: 111122223333, eu-central-1.
	Account string
	Region  string
	// Knobs are what each lane starts with; nil is Usual().
	Knobs *Knobs
}

// Emulator is Amazon WorkSpaces in any number of accounts and Regions, with the part of EC2 and Service Quotas
// that shows the same state. It is safe for concurrent use.
type Emulator struct {
	clock   clock.Clock
	seed    uint64
	account string
	region  string
	knobs   Knobs
	calls   map[string]operation

	mu    sync.Mutex
	lanes map[desktop.Lane]*Lane
}

// New is an Emulator without any lane, that takes its time from c.
func New(c clock.Clock, o Options) *Emulator {
	e := &Emulator{
		clock:   c,
		seed:    o.Seed,
		account: cmp.Or(o.Account, "111122223333"),
		region:  cmp.Or(o.Region, "eu-central-1"),
		knobs:   Usual(),
		calls:   operations(),
		lanes:   map[desktop.Lane]*Lane{},
	}
	if o.Knobs != nil {
		e.knobs = *o.Knobs
	}
	return e
}

// Services are the three services over one state: "workspaces", "ec2" and "servicequotas".
func (e *Emulator) Services() []service.Service {
	return []service.Service{e.WorkSpaces(), e.EC2(), e.ServiceQuotas()}
}

// WorkSpaces is the service "workspaces": JSON 1.1, X-Amz-Target WorkspacesService.*.
func (e *Emulator) WorkSpaces() service.Service { return workspacesService{e} }

// EC2 is the service "ec2": the Query protocol, DescribeSubnets only.
func (e *Emulator) EC2() service.Service { return ec2Service{e} }

// ServiceQuotas is the service "servicequotas": JSON 1.1, ServiceQuotasV20190624.GetServiceQuota only.
func (e *Emulator) ServiceQuotas() service.Service { return quotasService{e} }

// Lane is the state of one account and Region. It is made, empty, when first asked for: as with AWS, every
// account and Region is there, and a directory that is not in it is ResourceNotFound.Directory.
func (e *Emulator) Lane(account, region string) *Lane {
	e.mu.Lock()
	defer e.mu.Unlock()
	id := desktop.Lane{Account: account, Region: region}
	l, ok := e.lanes[id]
	if !ok {
		l = newLane(id, e.clock, e.seed, e.knobs)
		e.lanes[id] = l
	}
	return l
}

// Lanes are all lanes that were ever asked for, by account and Region.
func (e *Emulator) Lanes() []*Lane {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]*Lane, 0, len(e.lanes))
	for _, l := range e.lanes {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *Lane) int { return cmp.Compare(a.ID.String(), b.ID.String()) })
	return all
}

// laneOf is the lane that a request is about, and who calls.
func (e *Emulator) laneOf(r *http.Request) (*Lane, string) {
	caller := service.CallerOf(r.Context())
	key, region, _, _ := service.ParseScope(r.Header.Get("Authorization"))
	l := e.Lane(cmp.Or(caller.Account, e.account), cmp.Or(caller.Region, region, e.region))
	return l, cmp.Or(caller.Name, caller.Key, key, "unknown")
}

// answerLate waits for the lane's latency: the call has been done by then.
func (e *Emulator) answerLate(ctx context.Context, l *Lane) error {
	late := l.Knobs().Latency
	if late <= 0 {
		return nil
	}
	if err := e.clock.SleepUntil(ctx, e.clock.Now().Add(late)); err != nil {
		return fmt.Errorf("answering late in %s: %w", l.ID, err)
	}
	return nil
}

// drop breaks the connection without an answer; net/http understands this panic and logs nothing.
func drop() { panic(http.ErrAbortHandler) }

// shortName is the part of "Prefix.Operation" after the dot.
func shortName(target string) string {
	return target[strings.LastIndexByte(target, '.')+1:]
}
