package controller

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"go.etcd.io/raft/v3/raftpb"
)

// snapshotMagic starts a snapshot file; its last byte is the version.
const snapshotMagic = "LGMSNAP\x00"

// appendSnapshot writes a snapshot file: magic, CRC-32C of the rest, index and
// term of the last entry in it, voters, and the image as metadata.AppendTo
// wrote it, to the end of the file.
func appendSnapshot(b []byte, s *raftpb.Snapshot) []byte {
	start := len(b)
	b = append(b, snapshotMagic...)
	b = append(b, 0, 0, 0, 0)
	m := s.GetMetadata()
	b = binary.AppendUvarint(b, m.GetIndex())
	b = binary.AppendUvarint(b, m.GetTerm())
	b = binary.AppendUvarint(b, uint64(len(m.GetConfState().GetVoters())))
	for _, v := range m.GetConfState().GetVoters() {
		b = binary.AppendUvarint(b, v)
	}
	b = binary.AppendUvarint(b, uint64(len(s.GetData())))
	b = append(b, s.GetData()...)
	at := start + len(snapshotMagic)
	binary.LittleEndian.PutUint32(b[at:], crc32.Checksum(b[at+4:], castagnoli))
	return b
}

// parseSnapshot reads what appendSnapshot wrote.
func parseSnapshot(b []byte) (*raftpb.Snapshot, error) {
	head := len(snapshotMagic) + 4
	if len(b) < head || string(b[:len(snapshotMagic)]) != snapshotMagic {
		return nil, errors.New("not a metadata snapshot of this version")
	}
	if crc32.Checksum(b[head:], castagnoli) != binary.LittleEndian.Uint32(b[len(snapshotMagic):]) {
		return nil, errors.New("the checksum of the snapshot does not match")
	}
	r := numbers{b: b[head:]}
	m := &raftpb.SnapshotMetadata{Index: new(r.next()), Term: new(r.next()), ConfState: &raftpb.ConfState{AutoLeave: new(false)}}
	voters := r.next()
	if voters > uint64(len(r.b)) {
		return nil, errors.New("the snapshot counts more voters than it has bytes")
	}
	for range voters {
		m.ConfState.Voters = append(m.ConfState.Voters, r.next())
	}
	s := &raftpb.Snapshot{Data: r.bytes(r.next()), Metadata: m}
	if r.bad || len(r.b) > 0 {
		return nil, errors.New("the snapshot's fields do not fill it")
	}
	return s, nil
}
