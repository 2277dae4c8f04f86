package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/metadata"
)

// feature is a feature of the cluster (KIP-584) with the versions that this
// program has, and the one that is in use.
type feature struct {
	name          string
	min, max, now int16
}

// features are those that are true of this program, by name; each has one
// version, so that none can be changed. What Apache Kafka announces besides and is not
// here (groups of KIP-848, transactions of version 2, share and streams groups)
// is not announced.
var features = []feature{
	// KIP-966: always on.
	{name: "eligible.leader.replicas.version", min: 1, max: 1, now: 1},
	// KIP-853: voters are fixed at the start of the process.
	{name: "kraft.version", min: 0, max: 0, now: 0},
	// 4.3-IV0: what clients may ask is as in Apache Kafka 4.3.
	{name: "metadata.version", min: 30, max: 30, now: 30},
}

// handleUpdateFeatures answers UpdateFeatures 0 to 2: every feature has one
// version, which may be asked for again, and no other. Version 1 told kinds of
// upgrades apart, version 2 has one error for the whole request.
func handleUpdateFeatures(b *Broker, r *request) reply {
	req := r.body.(*kmsg.UpdateFeaturesRequest)
	resp := kmsg.NewPtrUpdateFeaturesResponse()
	for i := range req.FeatureUpdates {
		err := b.updateFeature(&req.FeatureUpdates[i], r.version)
		if r.version >= 2 {
			if err != nil {
				resp.ErrorCode = err.Code.Code
				resp.ErrorMessage = kmsg.StringPtr("The update failed for all features since the following feature had an error: " + err.Message)
				return answer(resp)
			}
			continue
		}
		res := kmsg.NewUpdateFeaturesResponseResult()
		res.Feature = req.FeatureUpdates[i].Feature
		if err != nil {
			res.ErrorCode, res.ErrorMessage = err.Code.Code, &err.Message
		}
		resp.Results = append(resp.Results, res)
	}
	return answer(resp)
}

// The kinds of upgrades.
const (
	upgrade         int8 = 1
	unsafeDowngrade int8 = 3
)

// updateFeature says why a feature cannot get a version, nil if it has it.
func (b *Broker) updateFeature(u *kmsg.UpdateFeaturesRequestFeatureUpdate, version int16) *metadata.Error {
	refuse := func(format string, args ...any) *metadata.Error {
		return metadata.Refuse(kerr.InvalidUpdateVersion, "Invalid update version %d for feature %s. "+format, append([]any{u.MaxVersionLevel, u.Feature}, args...)...)
	}
	if version >= 1 && (u.UpgradeType < upgrade || u.UpgradeType > unsafeDowngrade) {
		return refuse("The controller does not support the given upgrade type.")
	}
	if u.MaxVersionLevel < 0 {
		return refuse("A feature version cannot be less than 0.")
	}
	for _, f := range features {
		if f.name != u.Feature {
			continue
		}
		if u.MaxVersionLevel < f.min || u.MaxVersionLevel > f.max {
			return refuse("Local controller %d only supports versions %d-%d", b.meta.Image().Controller(), f.min, f.max)
		}
		return nil
	}
	return refuse("Local controller %d does not support this feature.", b.meta.Image().Controller())
}

// announce adds the features to an answer of ApiVersions 3 or 4. Version 3 must
// not have a lowest version of 0, which older clients take for an error
// (KIP-1022); a version of 0 in use is told by leaving it out.
func announce(resp *kmsg.ApiVersionsResponse, epoch int64) {
	for _, f := range features {
		if f.min == 0 && resp.Version < 4 {
			continue
		}
		s := kmsg.NewApiVersionsResponseSupportedFeature()
		s.Name, s.MinVersion, s.MaxVersion = f.name, f.min, f.max
		resp.SupportedFeatures = append(resp.SupportedFeatures, s)
		if f.now > 0 {
			v := kmsg.NewApiVersionsResponseFinalizedFeature()
			v.Name, v.MinVersionLevel, v.MaxVersionLevel = f.name, f.now, f.now
			resp.FinalizedFeatures = append(resp.FinalizedFeatures, v)
		}
	}
	resp.FinalizedFeaturesEpoch = epoch
}
