package replica

// ReadReplica is the replica that a client in a rack is to read from at an
// offset (KIP-392, as RackAwareReplicaSelector chooses): this leader if it is in
// the rack or no replica there has the offset, else the one that is furthest.
// Only replicas in the ISR whose brokers are up are chosen.
func (p *Partition) ReadReplica(offset int64, rack string) int32 {
	me := p.set.cfg.BrokerID
	img := p.set.image.Load()
	if img == nil || rack == "" {
		return me
	}
	if b, ok := img.Broker(me); ok && b.Rack == rack {
		return me
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.led == nil {
		return me
	}
	best := me
	var end int64
	for i := range p.led.remotes {
		r := &p.led.remotes[i]
		if !r.inSync || r.end < offset || r.start > offset || r.end < end || !p.set.eligible(r) {
			continue
		}
		if b, ok := img.Broker(r.id); ok && b.Rack == rack && (best == me || r.end > end) {
			best, end = r.id, r.end
		}
	}
	return best
}
