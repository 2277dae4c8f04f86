package coordinator

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/coordinator/group"
)

// mailboxSize is how many requests may wait for a shard before their senders
// do.
const mailboxSize = 256

// call is one request on its way through a shard. Exactly one answer comes
// back on done.
type call struct {
	client Client
	req    kmsg.Request
	done   chan result
	// task, if set, is done instead of req and answers nothing.
	task func(*group.Machine)
}

type result struct {
	resp kmsg.Response
	err  *kerr.Error
}

// shard is the coordinator of the groups of one partition of
// __consumer_offsets for one leader epoch: one goroutine, which owns all that
// is not atomic or a channel.
type shard struct {
	partition int32
	epoch     int32
	log       Log
	cfg       Config
	machine   *group.Machine

	mail  chan *call
	stop  chan struct{} // closed to end it
	once  sync.Once     // closes stop
	dead  chan struct{} // closed when it has ended
	ready atomic.Bool   // the log is replayed

	// What the log tells, from any goroutine.
	committed atomic.Int64 // newest offset known to be committed, -1 none
	lost      atomic.Pointer[error]
	progress  chan struct{} // holds one token: look at the two above

	appended int64    // newest offset appended, -1 none
	parked   []parked // by offset
	late     int      // of parked, those before this index were answered for being late
}

// parked is what is to be done when offset is committed.
type parked struct {
	offset   int64
	deadline time.Time
	out      group.Output
}

func newShard(cfg Config, partition, epoch int32, log Log) *shard {
	s := &shard{
		partition: partition, epoch: epoch, log: log, cfg: cfg,
		machine:  group.New(cfg.settings()),
		mail:     make(chan *call, mailboxSize),
		stop:     make(chan struct{}),
		dead:     make(chan struct{}),
		progress: make(chan struct{}, 1),
		appended: -1,
	}
	s.committed.Store(-1)
	return s
}

// end asks the shard to end; it does not wait.
func (s *shard) end() { s.once.Do(func() { close(s.stop) }) }

// ended says whether end was called or the shard has ended by itself.
func (s *shard) ended() bool {
	select {
	case <-s.stop:
		return true
	case <-s.dead:
		return true
	default:
		return false
	}
}

// run replays the log and then serves, until end is called or the log is lost.
// before, if not nil, is the shard of an earlier epoch: its appends come first.
func (s *shard) run(before *shard) {
	defer func() {
		s.machine, s.parked = nil, nil
		close(s.dead)
	}()
	log := s.cfg.Logger.With("partition", s.partition, "epoch", s.epoch)
	if before != nil {
		<-before.dead
	}
	began := time.Now()
	records, err := s.load()
	if errors.Is(err, errStopped) {
		return
	}
	if err != nil {
		log.Error("cannot load groups; this partition of "+OffsetsTopic+" is not coordinated", "error", err)
		return
	}
	s.machine.Loaded(time.Now())
	s.flush(time.Now())
	s.ready.Store(true)
	log.Info("groups loaded", "records", records, "took", time.Since(began))
	s.loop()
	if lost := s.lost.Load(); lost != nil {
		log.Error("a record of the group coordinator was not committed; its groups must find a new coordinator", "error", *lost)
	}
}

func (s *shard) loop() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var armed time.Time
	for s.lost.Load() == nil {
		s.release()
		if next := s.nextDeadline(); next != armed {
			armed = next
			timer.Reset(time.Until(next))
		}
		select {
		case <-s.stop:
			return
		case c := <-s.mail:
			s.serve(c)
		case <-s.progress:
		case <-timer.C:
			now := time.Now()
			s.machine.Tick(now)
			s.flush(now)
			s.answerLate(now)
			armed = time.Time{}
		}
	}
}

// nextDeadline is when something is to be done though nobody asks.
func (s *shard) nextDeadline() time.Time {
	next, ok := s.machine.NextDeadline()
	if s.late < len(s.parked) && (!ok || s.parked[s.late].deadline.Before(next)) {
		next = s.parked[s.late].deadline
	}
	return next
}

// serve gives one call to the machine.
func (s *shard) serve(c *call) {
	now := time.Now()
	if c.task != nil {
		c.task(s.machine)
		s.flush(now)
		return
	}
	switch req := c.req.(type) {
	case *kmsg.HeartbeatRequest:
		// Heartbeats change nothing that is written: they never wait.
		resp := kmsg.NewPtrHeartbeatResponse()
		resp.ErrorCode = s.machine.Heartbeat(now, req)
		c.answer(resp)
		return
	case *kmsg.JoinGroupRequest:
		s.machine.JoinGroup(now, c, group.Client{ID: c.client.ID, Host: c.client.Host}, req)
	case *kmsg.SyncGroupRequest:
		s.machine.SyncGroup(now, c, req)
	case *kmsg.LeaveGroupRequest:
		s.machine.LeaveGroup(now, c, req)
	case *kmsg.OffsetCommitRequest:
		s.machine.OffsetCommit(now, c, req)
	case *kmsg.OffsetFetchRequest:
		s.machine.OffsetFetch(c, req.Groups)
	case *kmsg.OffsetDeleteRequest:
		s.machine.OffsetDelete(c, req)
	case *kmsg.DescribeGroupsRequest:
		s.machine.DescribeGroups(c, req)
	case *kmsg.ListGroupsRequest:
		s.machine.ListGroups(c, req)
	case *kmsg.DeleteGroupsRequest:
		s.machine.DeleteGroups(c, req)
	default:
		c.done <- result{err: kerr.InvalidRequest}
	}
	s.flush(now)
}

// flush appends what the machine wants written and parks what it says until
// all that was appended so far is committed, so that no answer ever shows what
// a crash could take back.
func (s *shard) flush(now time.Time) {
	out := s.machine.Flush(func(records []group.Record) int16 { return s.append(now, records) })
	if out.Empty() {
		return
	}
	s.parked = append(s.parked, parked{s.appended, now.Add(s.cfg.CommitTimeout), out})
}

// release does what waited for offsets that are committed by now.
func (s *shard) release() {
	committed := s.committed.Load()
	n := 0
	for n < len(s.parked) && s.parked[n].offset <= committed {
		s.deliver(&s.parked[n].out)
		n++
	}
	if n == 0 {
		return
	}
	s.late = max(s.late-n, 0)
	clear(s.parked[:n])
	s.parked = s.parked[n:]
	if len(s.parked) == 0 {
		s.parked = nil
	}
}

func (s *shard) deliver(out *group.Output) {
	for _, g := range out.Gauges {
		s.cfg.setGauge(g)
	}
	for _, e := range out.Events {
		s.cfg.Hub.Emit(e)
	}
	for _, a := range out.Answers {
		a.To.(*call).answer(a.Response)
	}
}

// answerLate tells those who have waited CommitTimeout for the log that they
// may ask again. What they asked for may still be committed.
func (s *shard) answerLate(now time.Time) {
	for s.late < len(s.parked) && !s.parked[s.late].deadline.After(now) {
		for _, a := range s.parked[s.late].out.Answers {
			a.To.(*call).done <- result{err: kerr.CoordinatorNotAvailable}
		}
		s.parked[s.late].out.Answers = nil
		s.late++
	}
}

func (c *call) answer(resp kmsg.Response) {
	resp.SetVersion(c.req.GetVersion())
	c.done <- result{resp: resp}
}

// post puts a call into the mailbox.
func (s *shard) post(ctx context.Context, c *call) *kerr.Error {
	if !s.ready.Load() {
		select {
		case <-s.dead:
			return kerr.NotCoordinator
		default:
			return kerr.CoordinatorLoadInProgress
		}
	}
	select {
	case s.mail <- c:
		return nil
	case <-s.dead:
		return kerr.NotCoordinator
	case <-ctx.Done():
		return kerr.CoordinatorNotAvailable
	}
}

// wait waits for the answer to a call that was posted.
func (s *shard) wait(ctx context.Context, c *call) (kmsg.Response, *kerr.Error) {
	select {
	case r := <-c.done:
		return r.resp, r.err
	case <-ctx.Done():
		return nil, kerr.CoordinatorNotAvailable
	case <-s.dead:
	}
	select {
	case r := <-c.done: // answered, and then the shard ended
		return r.resp, r.err
	default:
		return nil, kerr.NotCoordinator
	}
}
