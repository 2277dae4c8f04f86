package replica

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/storage"
)

// openAtOnce is how many logs are opened or closed at the same time.
const openAtOnce = 8

// Apply brings the replicas to img: logs of deleted topics are removed, those
// of new ones made, leaders and settings set. The first call opens all logs and
// clears away folders of topics that are no more. A log that cannot be opened
// is offline (KAFKA_STORAGE_ERROR) and named in the error; the others go on.
// After ErrForeign nothing was done.
func (s *Set) Apply(img *metadata.Image, d *metadata.Delta) error {
	var errs []error
	first := s.image.Load() == nil
	if first {
		d = img.Full()
		if err := s.claimIdentity(img.ClusterID()); err != nil {
			return err
		}
		errs = append(errs, s.clear(img))
	}
	s.image.Store(img) // first: what was deleted must not look as if another broker had it
	if first || len(d.BrokersChanged) > 0 {
		s.up.Store(brokersUp(img))
	}
	for _, t := range d.TopicsDeleted {
		errs = append(errs, s.remove(t))
	}
	added, err := s.assign(d)
	errs = append(errs, err, s.open(img, added))
	if first {
		errs = append(errs, s.redo(added))
	}
	s.publish(added)
	for _, p := range added {
		errs = append(errs, p.update(&img.TopicByID(p.id).Partitions[p.index], true))
	}
	for _, c := range d.PartitionsChanged {
		if p := s.held(c.Topic.ID, c.Partition); p != nil && c.Old != nil {
			errs = append(errs, p.update(c.New, false))
		}
	}
	if first {
		s.configureCleaner(img)
	}
	s.configure(img, d)
	s.fetchers.interrupt(slices.ContainsFunc(d.BrokersChanged, s.registered))
	if first {
		// What is above these points was not known to be synced; no points are no
		// knowledge.
		if !s.last.clean || s.last.points == nil {
			errs = append(errs, s.Checkpoint())
		}
		s.last = lastRun{clean: s.last.clean}
	} else if len(d.BrokersChanged) > 0 {
		for _, p := range s.Partitions() { // who is up may join an ISR, who is not holds nothing up
			p.reconsider()
		}
	}
	return errors.Join(errs...)
}

// assign makes the replicas that a delta gives to this broker, and removes those
// that it takes away.
func (s *Set) assign(d *metadata.Delta) (added []*Partition, err error) {
	add := func(t *metadata.Topic, index int32) {
		if p := s.add(t, index); p != nil {
			added = append(added, p)
		}
	}
	for _, t := range d.TopicsCreated {
		for i := range t.Partitions {
			add(t, int32(i))
		}
	}
	var errs []error
	for _, c := range d.PartitionsChanged {
		held := s.held(c.Topic.ID, c.Partition)
		switch has := slices.Contains(c.New.Replicas, s.cfg.BrokerID); {
		case has && held == nil:
			add(c.Topic, c.Partition)
		case !has && held != nil: // reassigned
			errs = append(errs, s.removePartition(held))
		}
	}
	return added, errors.Join(errs...)
}

// registered says whether a change gives this broker another epoch, which the
// leaders that it follows are to know before they take it into the ISR.
func (s *Set) registered(c metadata.BrokerChange) bool {
	return c.New != nil && c.New.ID == s.cfg.BrokerID && (c.Old == nil || c.Old.Epoch != c.New.Epoch)
}

// brokersUp are the brokers that may be in an ISR, with their epochs.
func brokersUp(img *metadata.Image) *map[int32]int64 {
	up := map[int32]int64{}
	for _, b := range img.Brokers() {
		if !b.Fenced && !b.Draining {
			up[b.ID] = b.Epoch
		}
	}
	return &up
}

// held returns the replica of a partition, nil if there is none.
func (s *Set) held(id metadata.UUID, index int32) *Partition {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t := s.byID[id]; t != nil && int(index) < len(t.parts) {
		return t.parts[index]
	}
	return nil
}

// removePartition ends the replica of a partition that other brokers have now.
func (s *Set) removePartition(p *Partition) error {
	s.mu.Lock()
	if t := s.byID[p.id]; t != nil {
		t = &topic{name: t.name, id: t.id, parts: slices.Clone(t.parts)} // readers have the old slice
		t.parts[p.index] = nil
		s.byID[p.id], s.byName[p.topic] = t, t
	}
	s.mu.Unlock()
	return p.delete()
}

// add makes the replica of a partition if this broker is to have one. It is
// not found before publish.
func (s *Set) add(t *metadata.Topic, index int32) *Partition {
	mp := &t.Partitions[index]
	if !slices.Contains(mp.Replicas, s.cfg.BrokerID) {
		return nil
	}
	return newPartition(s, t, index)
}

// open opens the logs of new replicas.
func (s *Set) open(img *metadata.Image, added []*Partition) error {
	var g errgroup.Group
	g.SetLimit(openAtOnce)
	errs := make([]error, len(added))
	for i, p := range added {
		g.Go(func() error {
			t := img.TopicByID(p.id)
			if err := p.open(s.configOf(img, t), s.last); err != nil {
				p.fail(err)
				errs[i] = fmt.Errorf("opening %s: %w", p.dir(), err)
			}
			return nil
		})
	}
	_ = g.Wait() // the goroutines put their errors into errs
	return errors.Join(errs...)
}

// publish makes new replicas visible.
func (s *Set) publish(added []*Partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	grown := map[*topic]bool{}
	for _, p := range added {
		t := s.byID[p.id]
		if t == nil {
			t = &topic{name: p.topic, id: p.id}
			s.byID[p.id] = t
			s.byName[p.topic] = t
			grown[t] = true
		}
		if !grown[t] { // readers have the old slice
			t = &topic{name: t.name, id: t.id, parts: slices.Clone(t.parts)}
			s.byID[p.id], s.byName[p.topic] = t, t
			grown[t] = true
		}
		for len(t.parts) <= int(p.index) {
			t.parts = append(t.parts, nil)
		}
		t.parts[p.index] = p
	}
}

// remove ends the replicas of a deleted topic and removes their folders.
func (s *Set) remove(mt *metadata.Topic) error {
	s.mu.Lock()
	t := s.byID[mt.ID]
	delete(s.byID, mt.ID)
	if s.byName[mt.Name] == t {
		delete(s.byName, mt.Name)
	}
	s.mu.Unlock()
	if t == nil {
		return nil
	}
	var errs []error
	for _, p := range t.parts {
		if p != nil {
			errs = append(errs, p.delete())
		}
	}
	s.cfg.Hub.DropLinks(mt.Name)
	return errors.Join(errs...)
}

// configure hands changed settings to the logs.
func (s *Set) configure(img *metadata.Image, d *metadata.Delta) {
	all := false
	for _, c := range d.ConfigsChanged {
		switch {
		case c.Resource.Type != metadata.ResourceTopic:
			all = true // the defaults of every topic
		default:
			s.mu.RLock()
			t := s.byName[c.Resource.Name]
			s.mu.RUnlock()
			s.configureTopic(img, t)
		}
	}
	if !all {
		return
	}
	s.configureCleaner(img)
	s.mu.RLock()
	topics := make([]*topic, 0, len(s.byID))
	for _, t := range s.byID {
		topics = append(topics, t)
	}
	s.mu.RUnlock()
	for _, t := range topics {
		s.configureTopic(img, t)
	}
}

func (s *Set) configureTopic(img *metadata.Image, t *topic) {
	if t == nil {
		return
	}
	mt := img.TopicByID(t.id)
	if mt == nil {
		return
	}
	cfg := s.configOf(img, mt)
	for _, p := range t.parts {
		if p != nil {
			p.configure(cfg)
		}
	}
}

// clear removes the folders of topics that the metadata no longer has. It comes
// after claimIdentity: metadata that was lost must not take the logs along.
func (s *Set) clear(img *metadata.Image) error {
	names, err := s.cfg.FS.List(".")
	if err != nil {
		return fmt.Errorf("listing the data folder: %w", err)
	}
	errs := []error{storage.RemoveDeleted(s.cfg.FS, ".")}
	for _, name := range names {
		topic, index, ok := splitFolder(name)
		if !ok || topic == metadata.ClusterMetadataTopic {
			continue
		}
		id, err := storage.ReadTopicID(s.cfg.FS, name)
		if err != nil {
			s.cfg.Logger.Warn("a folder looks like a log but has no topic id; it is left alone", "folder", name, "err", err)
			continue
		}
		if t := img.TopicByID(metadata.UUID(id)); t != nil && t.Name == topic && int(index) < len(t.Partitions) &&
			slices.Contains(t.Partitions[index].Replicas, s.cfg.BrokerID) {
			continue
		}
		s.cfg.Logger.Info("removing the log of a partition that this broker has no longer", "folder", name, "topicID", metadata.UUID(id))
		errs = append(errs, s.cfg.FS.RemoveAll(name))
	}
	return errors.Join(append(errs, s.cfg.FS.SyncDir("."))...)
}

// folder names a log's folder as Kafka does.
func folder(topic string, index int32) string { return topic + "-" + strconv.Itoa(int(index)) }

// splitFolder is the reverse of folder.
func splitFolder(name string) (topic string, index int32, ok bool) {
	at := strings.LastIndexByte(name, '-')
	if at <= 0 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(name[at+1:], 10, 31)
	if err != nil || folder(name[:at], int32(n)) != name {
		return "", 0, false
	}
	return name[:at], int32(n), true
}

// key names the replica to the hub.
func (p *Partition) key() event.PartitionKey {
	return event.PartitionKey{Broker: p.set.cfg.BrokerID, Topic: p.topic, Partition: p.index}
}
