package playground

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// beat is the value of a record in heart-rate, as JSON.
type beat struct {
	Wearer string  `json:"wearer"`
	BPM    float64 `json:"bpm"`
	RRms   int64   `json:"rr_ms"` // interval since the beat before
	Beat   int     `json:"beat"`  // position in the recording
}

// alert is the value of a record in heart-rate-alerts, as JSON.
type alert struct {
	Wearer    string  `json:"wearer"`
	BPM       float64 `json:"bpm"`
	Limit     float64 `json:"limit"`
	Partition int32   `json:"partition"` // where the beat is
	Offset    int64   `json:"offset"`
}

// gateway sends the beats of every wearer that belongs to it, each at its real
// pace, until ctx ends.
func gateway(ctx context.Context, client *kgo.Client, number int, beats []time.Duration, log *slog.Logger) error {
	defer client.Close()
	var group errgroup.Group
	for w := number; w < len(wearers); w += gateways {
		group.Go(func() error { return wear(ctx, client, w, beats, log) })
	}
	return group.Wait()
}

// wear replays the recording for one wearer, from a moment of its own.
func wear(ctx context.Context, client *kgo.Client, number int, beats []time.Duration, log *slog.Logger) error {
	name := wearers[number]
	timer := time.NewTimer(time.Duration(number) * 90 * time.Millisecond)
	defer timer.Stop()
	for i := number * len(beats) / len(wearers); ; i = (i + 1) % len(beats) {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		timer.Reset(beats[i])
		value, err := json.Marshal(beat{Wearer: name, BPM: round1(bpm(beats[i])), RRms: beats[i].Milliseconds(), Beat: i})
		if err != nil {
			return fmt.Errorf("encoding a heart beat: %w", err)
		}
		record := &kgo.Record{Topic: beatsTopic, Key: []byte(name), Value: value,
			Headers: []kgo.RecordHeader{{Key: "source", Value: []byte("MIT-BIH NSRDB, replayed")}}}
		// A cluster that is away must not make the beats pile up in memory.
		client.TryProduce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil && ctx.Err() == nil {
				log.Warn("a heart beat of the demo was not written", "wearer", name, "error", err)
			}
		})
	}
}

// monitor reads beats as a member of the consumer group and writes an alert
// for each one above the limit, until ctx ends.
func monitor(ctx context.Context, client *kgo.Client, log *slog.Logger) error {
	defer client.Close() // leaves the group
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			return nil
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			log.Warn("the demo's consumer could not read", "topic", topic, "partition", partition, "error", err)
		})
		var alerts []*kgo.Record
		fetches.EachRecord(func(r *kgo.Record) {
			var b beat
			if err := json.Unmarshal(r.Value, &b); err != nil {
				log.Warn("a record in the demo's topic is not a heart beat", "partition", r.Partition, "offset", r.Offset, "error", err)
				return
			}
			if b.BPM <= alertBPM {
				return
			}
			value, err := json.Marshal(alert{Wearer: b.Wearer, BPM: b.BPM, Limit: alertBPM, Partition: r.Partition, Offset: r.Offset})
			if err != nil {
				log.Warn("encoding an alert of the demo", "error", err)
				return
			}
			alerts = append(alerts, &kgo.Record{Topic: alertsTopic, Key: r.Key, Value: value})
		})
		// The offsets of this poll are committed only after the next one began,
		// so an alert is written before its beat counts as read.
		if err := client.ProduceSync(ctx, alerts...).FirstErr(); err != nil && ctx.Err() == nil {
			log.Warn("an alert of the demo was not written", "error", err)
		}
	}
}

func round1(f float64) float64 { return float64(int64(f*10+0.5)) / 10 }
