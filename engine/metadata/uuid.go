package metadata

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// UUID identifies a topic, a broker's incarnation or the like. The zero value
// means "none", as it does in the protocol.
type UUID [16]byte

// NewUUID returns a random UUID (version 4) that Kafka does not reserve and
// whose text does not start with '-', which command lines would take for a flag.
func NewUUID() UUID {
	for {
		var u UUID
		// crypto/rand.Read never fails: it ends the process instead.
		_, _ = rand.Read(u[:])
		u[6] = u[6]&0x0f | 0x40
		u[8] = u[8]&0x3f | 0x80
		if u.String()[0] != '-' {
			return u
		}
	}
}

// IsZero says whether u is the zero value.
func (u UUID) IsZero() bool { return u == UUID{} }

// String returns the URL-safe base64 form without padding, 22 characters, as
// Kafka prints it.
func (u UUID) String() string { return base64.RawURLEncoding.EncodeToString(u[:]) }

// ParseUUID reads the form that String writes.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) > 24 {
		return u, fmt.Errorf("uuid %.24q… is longer than 22 characters", s)
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(u) {
		return u, fmt.Errorf("uuid %q is not 16 bytes in URL-safe base64", s)
	}
	copy(u[:], b)
	return u, nil
}
