package controller

import (
	"slices"

	"github.com/logarium/logarium/engine/metadata"
)

// elector makes the records that change partitions after brokers, settings or
// replicas have changed. It sees the brokers and settings of img.
type elector struct {
	img     *metadata.Image
	active  map[int32]bool
	minISR  int // of topics that have no setting of their own
	unclean bool
	recs    []metadata.Record
}

func newElector(img *metadata.Image) *elector {
	e := &elector{
		img: img, active: make(map[int32]bool, len(img.Brokers())),
		minISR:  int(img.BrokerInt("min.insync.replicas")),
		unclean: img.BrokerBool("unclean.leader.election.enable"),
	}
	for _, b := range img.Brokers() {
		e.active[b.ID] = b.Active()
	}
	return e
}

// withElections adds to recs, which changed brokers or settings, the changes
// of partitions that follow from them. Cause is told with those that have no
// other.
func withElections(img *metadata.Image, recs []metadata.Record, cause metadata.Cause) ([]metadata.Record, error) {
	after, _, err := img.Apply(recs...)
	if err != nil {
		return nil, err
	}
	e := newElector(after)
	e.recs = recs
	for _, t := range after.Topics() {
		e.topic(t, cause)
	}
	return e.recs, nil
}

// topic brings all partitions of a topic in line with the brokers there are.
func (e *elector) topic(t *metadata.Topic, cause metadata.Cause) {
	for n := range t.Partitions {
		if !e.settled(&t.Partitions[n]) {
			e.add(e.edit(t, int32(n), cause))
		}
	}
}

// settled says that a partition needs no change: it has a live leader, an ISR
// of live brokers, and no other replica that could lead.
func (e *elector) settled(p *metadata.Partition) bool {
	if !e.active[p.Leader] || len(p.ELR) > 0 || len(p.LastKnownELR) > 0 {
		return false
	}
	for _, id := range p.ISR {
		if !e.active[id] {
			return false
		}
	}
	return true
}

// add appends the record of an edit, if it changes anything.
func (e *elector) add(d *partitionEdit) bool {
	r, ok := d.record()
	if ok {
		e.recs = append(e.recs, r)
	}
	return ok
}

// electionKind says which leader an edit looks for.
type electionKind int

const (
	online    electionKind = iota // keep the leader if it can lead
	preferred                     // the first replica, if it can lead
	unclean                       // any live replica, if nothing else can lead
)

// partitionEdit is a partition as it shall be. Slices are replaced, never
// changed.
type partitionEdit struct {
	*elector
	metadata.Partition
	topic *metadata.Topic
	n     int32
	was   *metadata.Partition
	kind  electionKind
	cause metadata.Cause
	// distrusted are replicas that may lack records they had. They leave the
	// ISR and the ELR, except for the last that there is, unless giveUp is set.
	distrusted []int32
	giveUp     bool
}

func (e *elector) edit(t *metadata.Topic, n int32, cause metadata.Cause) *partitionEdit {
	d := &partitionEdit{elector: e, Partition: t.Partitions[n], topic: t, n: n, was: &t.Partitions[n], cause: cause}
	if e.uncleanElection(t) {
		d.kind = unclean
	}
	return d
}

func (e *elector) uncleanElection(t *metadata.Topic) bool {
	if v, ok := t.Bool("unclean.leader.election.enable"); ok {
		return v
	}
	return e.unclean
}

func (e *elector) minInSync(t *metadata.Topic) int {
	if v, ok := t.Int("min.insync.replicas"); ok {
		return int(v)
	}
	return e.minISR
}

// record finishes the edit: takes the dead from the ISR, completes a
// reassignment, keeps those who are eligible (KIP-966), elects a leader. The order of
// the steps and the rules are Kafka's (PartitionChangeBuilder).
func (d *partitionEdit) record() (metadata.PartitionChangeRecord, bool) {
	d.dropFromISR()
	d.completeReassignment()
	d.eligible()
	d.elect()
	if len(d.ISR) == 0 && d.was.Leader != metadata.NoLeader {
		d.LastKnownELR = []int32{d.was.Leader}
	}
	return d.difference()
}

// completeReassignment ends a reassignment once all that are to remain are in
// sync.
func (d *partitionEdit) completeReassignment() {
	if len(d.Adding) == 0 && len(d.Removing) == 0 {
		return
	}
	isr, replicas := without(d.ISR, d.Removing), without(d.Replicas, d.Removing)
	if len(replicas) == 0 || !containsAll(isr, replicas) {
		return
	}
	d.ISR, d.Replicas, d.Adding, d.Removing = isr, replicas, nil, nil
	d.cause = metadata.CauseReassignment
}

// dropFromISR takes those from the ISR who are dead or distrusted. Of the
// distrusted the last one stays: nobody has more.
func (d *partitionEdit) dropFromISR() {
	d.ISR = slices.DeleteFunc(slices.Clone(d.ISR), func(id int32) bool {
		return !d.active[id] || !slices.Contains(d.Replicas, id)
	})
	if isr := without(d.ISR, d.distrusted); len(isr) > 0 || d.giveUp {
		d.ISR = isr
	}
}

// eligible keeps the ELR: while the ISR is below min.insync.replicas the high
// watermark stands still, so whoever leaves the ISR then has all that is
// committed.
func (d *partitionEdit) eligible() {
	if len(d.ISR) >= min(d.minInSync(d.topic), len(d.Replicas)) {
		d.ELR, d.LastKnownELR = nil, nil
		return
	}
	had := slices.Concat(d.was.ISR, d.was.ELR)
	elr := make([]int32, 0, len(had))
	for _, id := range d.Replicas {
		if slices.Contains(had, id) && !slices.Contains(d.ISR, id) {
			elr = append(elr, id)
		}
	}
	if trusted := without(elr, d.distrusted); len(trusted) > 0 || len(d.ISR) > 0 || d.giveUp {
		elr = trusted
	}
	d.ELR = elr
}

// elect chooses the leader: the present one if it can lead; else the first in
// replica order that is in sync; if nobody is, the first that is eligible, then
// the last known leader, then, where that is allowed, anybody.
func (d *partitionEdit) elect() {
	switch {
	case d.kind == preferred && d.inSync(d.Replicas[0]):
		d.Leader = d.Replicas[0]
	case d.inSync(d.Leader):
	default:
		d.Leader = d.first(d.inSync)
	}
	if len(d.ISR) > 0 {
		return
	}
	known := d.was.LastKnownELR
	id := d.first(func(id int32) bool { return d.active[id] && slices.Contains(d.ELR, id) })
	switch {
	case id != metadata.NoLeader:
		d.lead(id, d.cause)
	case len(d.ELR) == 0 && len(known) == 1 && slices.Contains(d.Replicas, known[0]) && d.mayLead(known[0]):
		d.lead(known[0], metadata.CauseLastKnown)
		d.ELR, d.LastKnownELR = nil, nil
	case d.kind == unclean:
		if id = d.first(d.mayLead); id != metadata.NoLeader {
			d.lead(id, metadata.CauseUnclean)
			d.ELR, d.LastKnownELR = nil, nil // what they have and the leader lacks is gone
		}
	}
}

// mayLead says whether a replica could lead if nothing else matters.
func (d *partitionEdit) mayLead(id int32) bool {
	return d.active[id] && !(d.giveUp && slices.Contains(d.distrusted, id))
}

// lead makes a replica leader and the only one in sync.
func (d *partitionEdit) lead(id int32, cause metadata.Cause) {
	d.Leader, d.ISR, d.ELR, d.cause = id, []int32{id}, without(d.ELR, []int32{id}), cause
	if len(d.ISR) >= min(d.minInSync(d.topic), len(d.Replicas)) {
		d.ELR, d.LastKnownELR = nil, nil
	}
}

// inSync says whether a replica may lead without loss.
func (d *partitionEdit) inSync(id int32) bool {
	return d.active[id] && slices.Contains(d.ISR, id) && slices.Contains(d.Replicas, id)
}

// first returns the first replica that fits, NoLeader if none does.
func (d *partitionEdit) first(fits func(int32) bool) int32 {
	if i := slices.IndexFunc(d.Replicas, fits); i >= 0 {
		return d.Replicas[i]
	}
	return metadata.NoLeader
}

// difference returns the record that leads from the partition as it is to the
// edit.
func (d *partitionEdit) difference() (metadata.PartitionChangeRecord, bool) {
	r := metadata.PartitionChangeRecord{TopicID: d.topic.ID, Partition: d.n, Leader: metadata.LeaderUnchanged, Cause: d.cause}
	changed := false
	set := func(to *[]int32, was, now []int32) {
		if !slices.Equal(was, now) {
			*to, changed = append([]int32{}, now...), true // empty clears, nil would keep
		}
	}
	set(&r.Replicas, d.was.Replicas, d.Replicas)
	set(&r.ISR, d.was.ISR, d.ISR)
	set(&r.Adding, d.was.Adding, d.Adding)
	set(&r.Removing, d.was.Removing, d.Removing)
	set(&r.ELR, d.was.ELR, d.ELR)
	set(&r.LastKnownELR, d.was.LastKnownELR, d.LastKnownELR)
	// A replica that is removed must learn of it by a new epoch.
	if d.Leader != d.was.Leader || !containsAll(d.Replicas, d.was.Replicas) {
		r.Leader, changed = d.Leader, true
	}
	return r, changed
}

// without returns the members of list that are not in drop, in order.
func without(list, drop []int32) []int32 {
	out := make([]int32, 0, len(list))
	for _, id := range list {
		if !slices.Contains(drop, id) {
			out = append(out, id)
		}
	}
	return out
}

func containsAll(list, all []int32) bool {
	return !slices.ContainsFunc(all, func(id int32) bool { return !slices.Contains(list, id) })
}
