package graph

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
)

// idSource makes object ids and request ids. With a seed it always makes the same ones, in the same order.
type idSource struct {
	mu   sync.Mutex
	seed string
	n    uint64
}

// next is a new id in the shape of a random (version 4) UUID, lower case.
func (s *idSource) next() string {
	var raw [16]byte
	if s.seed == "" {
		_, _ = rand.Read(raw[:]) // never fails: crypto/rand ends the program instead
	} else {
		s.mu.Lock()
		s.n++
		sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("id/"+s.seed+"/"), s.n))
		s.mu.Unlock()
		copy(raw[:], sum[:])
	}
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	h := hex.EncodeToString(raw[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// key is the secret of this emulator: it signs access tokens and paging tokens.
func (s *idSource) key() []byte {
	if s.seed == "" {
		k := make([]byte, 32)
		_, _ = rand.Read(k)
		return k
	}
	sum := sha256.Sum256([]byte("key/" + s.seed))
	return sum[:]
}

// isID reports whether s has the shape of an object id: a GUID with its hyphens.
func isID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// A generated user's id is "<tag of the crowd>-0000-4000-8000-<48 bits>". The bits are the user's number,
// multiplied by an odd constant so that ids do not come in order; the product is undone on the way back.
const (
	crowdMiddle = "-0000-4000-8000-"
	scatter     = 0x9e3779b97f4b
	gather      = 0x393dee219263 // scatter * gather == 1 mod 2^48; a test holds it
	low48       = 1<<48 - 1
)

func crowdID(tag string, i int) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(i)*scatter&low48)
	buf := make([]byte, 0, 36)
	buf = append(buf, tag...)
	buf = append(buf, crowdMiddle...)
	buf = hex.AppendEncode(buf, b[2:])
	return string(buf)
}

// crowdNumber undoes crowdID. It does not know whether such a crowd exists.
func crowdNumber(id string) (tag string, i int, ok bool) {
	if len(id) != 36 || id[8:24] != crowdMiddle {
		return "", 0, false
	}
	var b [8]byte
	if _, err := hex.Decode(b[2:], []byte(id[24:])); err != nil {
		return "", 0, false
	}
	return id[:8], int(binary.BigEndian.Uint64(b[:]) * gather & low48), true
}

// canonical is an id as it is kept: lower case, without blanks around it.
func canonical(id string) string { return strings.ToLower(strings.TrimSpace(id)) }

func notFound(what, id string) error { return fmt.Errorf("%s %s: %w", what, id, ErrNotFound) }
