package workspaces

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"time"
)

// Subnet is a subnet that directories use. Two directories may share one.
type Subnet struct {
	ID   string // subnet- and 8 or 17 hexadecimal digits
	Zone string // eu-central-1a; empty: a zone of the Region by turns
	VPC  string // empty: vpc-0a1b2c3d4e5f60718
	CIDR string // IPv4, /16 to /28; empty: a /20 of its own
	// Free is how many addresses are free before WorkSpaces takes any; zero is all of them (EC2 keeps 5).
	Free int
	// Full says that none is free, which Free cannot.
	Full bool
	Tags map[string]string
}

// subnet is a Subnet with the addresses that WorkSpaces took. The others that are not free belong to somebody else.
type subnet struct {
	Subnet
	order int
	net   netip.Prefix
	size  int // addresses that can be had: 2^(32-bits) - 5
	other int // taken by somebody else
	taken map[int]bool
	next  int
}

func (s *subnet) free() int { return max(0, s.size-s.other-len(s.taken)) }

// AddSubnet adds a subnet. The error says what is wrong with it.
func (l *Lane) AddSubnet(s Subnet) (err error) {
	l.with(func(time.Time) {
		n := len(l.subnets)
		s.Zone = cmp.Or(s.Zone, l.ID.Region+string(rune('a'+n%3)))
		s.VPC = cmp.Or(s.VPC, "vpc-0a1b2c3d4e5f60718")
		s.CIDR = cmp.Or(s.CIDR, fmt.Sprintf("10.%d.%d.0/20", 20+n/16, n%16*16))
		net, parse := netip.ParsePrefix(s.CIDR)
		switch {
		case !regexp.MustCompile(subnetPattern).MatchString(s.ID):
			err = fmt.Errorf("adding subnet %q: an id is subnet- and 8 or 17 hexadecimal digits", s.ID)
		case l.subnet(s.ID) != nil:
			err = fmt.Errorf("adding subnet %s: it is there already", s.ID)
		case parse != nil || !net.Addr().Is4() || net.Bits() < 16 || net.Bits() > 28:
			err = fmt.Errorf("adding subnet %s: %q is no IPv4 range from /16 to /28", s.ID, s.CIDR)
		}
		if err != nil {
			return
		}
		sub := &subnet{Subnet: s, order: n + 1, net: net.Masked(), size: 1<<(32-net.Bits()) - 5, taken: map[int]bool{}}
		if s.Full {
			s.Free = 0
		} else if s.Free == 0 {
			s.Free = sub.size
		}
		sub.leave(s.Free)
		l.subnets = append(l.subnets, sub)
	})
	return err
}

// leave makes somebody else take or give back addresses until n are free; those of WorkSpaces stay.
func (s *subnet) leave(n int) { s.other = max(0, s.size-len(s.taken)-max(0, n)) }

// SetFree makes somebody else take or give back addresses of a subnet until n are free (as far as it can).
func (l *Lane) SetFree(id string, n int) (err error) {
	l.with(func(time.Time) {
		s := l.subnet(id)
		if s == nil {
			err = fmt.Errorf("setting the free addresses of subnet %s: not in %s", id, l.ID)
			return
		}
		s.leave(n)
	})
	return err
}

// Free is how many addresses of a subnet are free now; zero for one that is not there.
func (l *Lane) Free(id string) (n int) {
	l.with(func(time.Time) {
		if s := l.subnet(id); s != nil {
			n = s.free()
		}
	})
	return n
}

func (l *Lane) subnet(id string) *subnet {
	i := slices.IndexFunc(l.subnets, func(s *subnet) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return l.subnets[i]
}

// takeAddress gives a WorkSpace an address of its directory's subnets, by the placement; false where there is none.
func (l *Lane) takeAddress(d *desk) bool {
	dir := l.directory(d.Directory)
	if dir == nil {
		return false
	}
	var in []*subnet
	for _, id := range dir.Subnets {
		if s := l.subnet(id); s != nil {
			in = append(in, s)
		}
	}
	if len(in) == 0 {
		return false
	}
	s := slices.MaxFunc(in, func(a, b *subnet) int { return cmp.Compare(a.free(), b.free()) })
	if l.knobs.Placement == PlaceBlindly {
		s = in[l.number("place", d.ID, decimal(d.turns))%uint64(len(in))]
	}
	if s.free() == 0 {
		return false
	}
	for s.taken[s.next] {
		s.next = (s.next + 1) % s.size
	}
	s.taken[s.next] = true
	d.slot = s.next
	d.Subnet, d.Address = s.ID, s.address(s.next)
	s.next = (s.next + 1) % s.size
	return true
}

// address is the n-th address that can be had; EC2 keeps the first four and the last.
func (s *subnet) address(n int) string {
	base := s.net.Addr().As4()
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(base[:])+4+uint32(n))
	return netip.AddrFrom4(a).String()
}

// freeAddress gives a WorkSpace's address back; the WorkSpace goes on saying where it was.
func (l *Lane) freeAddress(d *desk) {
	if s := l.subnet(d.Subnet); s != nil && d.slot >= 0 {
		delete(s.taken, d.slot)
	}
	d.slot = -1
}
