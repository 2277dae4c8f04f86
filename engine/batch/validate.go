package batch

import (
	"fmt"
	"hash/crc32"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Validate checks the one batch at the start of b: that it is whole, its
// magic, CRC32C and attributes, and every record in it, decompressed if need
// be, within lim. It returns the header, whose Size says where the batch ends;
// a caller that takes no more than one batch compares that with len(b).
//
// b is changed in one case only: if the largest timestamp in the header is not
// that of the records, which some clients get wrong and the time index relies
// on, it is set right, and the CRC with it, as Kafka does. With lim.Stored
// nothing is changed, and it is an error.
//
// The error wraps a *kerr.Error: CORRUPT_MESSAGE, INVALID_RECORD,
// INVALID_TIMESTAMP, MESSAGE_TOO_LARGE, UNSUPPORTED_COMPRESSION_TYPE or
// UNSUPPORTED_FOR_MESSAGE_FORMAT.
func Validate(b []byte, lim Limits) (Header, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return h, err
	}
	if lim.MaxBytes > 0 && h.Size() > lim.MaxBytes {
		return h, fmt.Errorf("%w: the batch has %d bytes, the most allowed is %d", kerr.MessageTooLarge, h.Size(), lim.MaxBytes)
	}
	if h.Size() > len(b) {
		return h, fmt.Errorf("%w: the batch claims %d bytes, there are %d", kerr.CorruptMessage, h.Size(), len(b))
	}
	b = b[:h.Size()]
	if crc := crc32.Checksum(b[atAttributes:], castagnoli); crc != h.CRC {
		return h, fmt.Errorf("%w: the CRC is %08x, the batch says %08x", kerr.CorruptMessage, crc, h.CRC)
	}
	if err := h.check(&lim); err != nil {
		return h, err
	}
	body := b[HeaderSize:]
	var w walked
	if h.Codec() == None {
		w, err = walk(&h, body, &lim)
	} else {
		w, err = walkCompressed(&h, body, &lim)
	}
	if err != nil {
		return h, err
	}
	return h, h.settleMaxTimestamp(b, w.maxTimestamp, &lim)
}

// settleMaxTimestamp holds the header's largest timestamp against the one that
// the records have.
func (h *Header) settleMaxTimestamp(b []byte, found int64, lim *Limits) error {
	if found == h.MaxTimestamp || h.LogAppendTime() {
		return nil
	}
	if !lim.Stored {
		SetMaxTimestamp(b, found)
		*h = decodeHeader(b)
		return nil
	}
	// Compaction may have dropped the record that had it: only less is a fault.
	if found > h.MaxTimestamp {
		return fmt.Errorf("%w: a record's timestamp is %d, above the batch's largest, %d", kerr.CorruptMessage, found, h.MaxTimestamp)
	}
	return nil
}

// walkCompressed decompresses the records into borrowed memory and walks them.
func walkCompressed(h *Header, body []byte, lim *Limits) (walked, error) {
	s := takeScratch()
	defer s.giveBack()
	records, err := s.decompress(h.Codec(), body, lim.decompressedCap(len(body)))
	if err != nil {
		return walked{}, err
	}
	return walk(h, records, lim)
}

// check holds the header's fields against each other and the limits.
func (h *Header) check(lim *Limits) error {
	unknown := h.Attributes &^ knownAttributes
	if !lim.Stored {
		unknown |= h.Attributes & deleteHorizonBit
	}
	switch {
	case unknown != 0:
		return fmt.Errorf("%w: unknown attributes %#x", kerr.InvalidRecord, uint16(unknown))
	case h.Codec() > Zstd:
		return fmt.Errorf("%w: unknown codec %d", kerr.UnsupportedCompressionType, h.Codec())
	case h.IsControl() && !lim.AllowControl:
		return fmt.Errorf("%w: control records come from the broker alone", kerr.InvalidRecord)
	case h.IsTransactional() && !lim.AllowTransactional:
		return fmt.Errorf("%w: the batch is part of a transaction, which is not open here", kerr.InvalidRecord)
	case h.LogAppendTime() && !lim.Stored:
		return fmt.Errorf("%w: a producer must not set log append time", kerr.InvalidTimestamp)
	}
	if err := h.checkCounts(lim); err != nil {
		return err
	}
	return h.checkProducer()
}

// checkCounts checks the numbers of records and offsets.
func (h *Header) checkCounts(lim *Limits) error {
	if lim.Stored {
		if h.NumRecords < 0 || h.LastOffsetDelta < 0 || int64(h.NumRecords) > int64(h.LastOffsetDelta)+1 {
			return fmt.Errorf("%w: %d records over %d offsets", kerr.CorruptMessage, h.NumRecords, int64(h.LastOffsetDelta)+1)
		}
	} else {
		if h.NumRecords <= 0 {
			return fmt.Errorf("%w: the batch has %d records", kerr.InvalidRecord, h.NumRecords)
		}
		if int64(h.LastOffsetDelta)+1 != int64(h.NumRecords) {
			return fmt.Errorf("%w: %d records, but the last offset delta is %d", kerr.InvalidRecord, h.NumRecords, h.LastOffsetDelta)
		}
	}
	if h.BaseOffset > math.MaxInt64-int64(h.LastOffsetDelta)-1 {
		return fmt.Errorf("%w: offset %d is too high", kerr.InvalidRecord, h.BaseOffset)
	}
	if h.Codec() == None && int64(h.NumRecords)*minEncodedRecord > int64(h.Length)-(HeaderSize-lengthPrefix) {
		return fmt.Errorf("%w: %d records do not fit in %d bytes", kerr.InvalidRecord, h.NumRecords, h.Size())
	}
	return nil
}

// checkProducer checks that the producer's id, epoch and sequence go together.
func (h *Header) checkProducer() error {
	if h.ProducerID < noProducerID {
		return fmt.Errorf("%w: producer id %d", kerr.InvalidRecord, h.ProducerID)
	}
	if h.ProducerID >= 0 {
		if h.ProducerEpoch < 0 || h.BaseSequence < 0 && !h.IsControl() {
			return fmt.Errorf("%w: producer %d has the epoch %d and the sequence %d", kerr.InvalidRecord, h.ProducerID, h.ProducerEpoch, h.BaseSequence)
		}
		return nil
	}
	if h.IsTransactional() {
		return fmt.Errorf("%w: a transaction without producer id", kerr.InvalidRecord)
	}
	return nil
}
