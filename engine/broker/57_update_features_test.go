package broker

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The codes and words are those of Apache Kafka 4.3.1.
func TestUpdateFeatures_EveryVersion(t *testing.T) {
	n := startNode(t, nodeOptions{})
	r := n.dial()
	for _, c := range []struct {
		feature string
		level   int16
		kind    int8
		words   string // empty: it is so
	}{
		{"eligible.leader.replicas.version", 1, 1, ""},
		{"metadata.version", 30, 1, ""},
		{"eligible.leader.replicas.version", 5, 1, "Invalid update version 5 for feature eligible.leader.replicas.version. Local controller 1 only supports versions 1-1"},
		{"nope", 1, 1, "Invalid update version 1 for feature nope. Local controller 1 does not support this feature."},
		{"metadata.version", -1, 2, "Invalid update version -1 for feature metadata.version. A feature version cannot be less than 0."},
		{"metadata.version", 30, 0, "Invalid update version 30 for feature metadata.version. The controller does not support the given upgrade type."},
	} {
		for version := int16(0); version <= 2; version++ {
			if version == 0 && c.kind == 0 {
				continue
			}
			req := kmsg.NewPtrUpdateFeaturesRequest()
			req.Version = version
			req.FeatureUpdates = []kmsg.UpdateFeaturesRequestFeatureUpdate{{Feature: c.feature, MaxVersionLevel: c.level, UpgradeType: c.kind}}
			got := r.ask(req).(*kmsg.UpdateFeaturesResponse)
			code, words := got.ErrorCode, got.ErrorMessage
			if version < 2 {
				if len(got.Results) != 1 || got.ErrorCode != 0 || got.Results[0].Feature != c.feature {
					t.Fatalf("version %d: %+v", version, got)
				}
				code, words = got.Results[0].ErrorCode, got.Results[0].ErrorMessage
			}
			if c.words == "" && code != 0 || c.words != "" && (code != 95 || words == nil || !strings.HasSuffix(*words, c.words)) {
				t.Errorf("version %d: %+v: %d %v", version, c, code, words)
			}
		}
	}
}

func TestApiVersions_Features(t *testing.T) {
	n := startNode(t, nodeOptions{})
	r := n.dial()
	for version, want := range map[int16]int{2: 0, 3: 2, 4: 3} {
		req := kmsg.NewPtrApiVersionsRequest()
		req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = version, "test", "1"
		got := r.ask(req).(*kmsg.ApiVersionsResponse)
		if len(got.SupportedFeatures) != want || want > 0 && (len(got.FinalizedFeatures) != 2 || got.FinalizedFeaturesEpoch <= 0) {
			t.Errorf("version %d: %+v, %+v, epoch %d", version, got.SupportedFeatures, got.FinalizedFeatures, got.FinalizedFeaturesEpoch)
		}
		for _, f := range got.SupportedFeatures {
			if version == 3 && f.MinVersion == 0 {
				t.Errorf("version 3 has the lowest version 0 of %s", f.Name)
			}
		}
	}
}
