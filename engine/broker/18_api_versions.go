package broker

import (
	"regexp"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// softwareNames is what KIP-511 allows for a client's name and version.
var softwareNames = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

// handleApiVersions answers ApiVersions 0 to 4 from the table of APIs.
//
// A version above ours is answered with UNSUPPORTED_VERSION in the layout of
// version 0 and our range of ApiVersions alone (KIP-511); clients then ask
// again. From version 3 on the answer has the features of the cluster.
func handleApiVersions(b *Broker, r *request) reply {
	resp := kmsg.NewPtrApiVersionsResponse()
	req, ok := r.body.(*kmsg.ApiVersionsRequest)
	if !ok { // a version that we do not speak: see conn.decode
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{r.api.versions()}
		return answer(resp)
	}
	resp.Version = r.version
	if r.version >= 3 && !(softwareNames.MatchString(req.ClientSoftwareName) && softwareNames.MatchString(req.ClientSoftwareVersion)) {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return answer(resp)
	}
	for _, a := range byKey {
		if a != nil {
			resp.ApiKeys = append(resp.ApiKeys, a.versions())
		}
	}
	if r.version >= 3 {
		announce(resp, b.meta.Image().Offset())
	}
	return answer(resp)
}

// versions is the row as ApiVersions says it.
func (a *api) versions() kmsg.ApiVersionsResponseApiKey {
	k := kmsg.NewApiVersionsResponseApiKey()
	k.ApiKey, k.MinVersion, k.MaxVersion = a.key.Int16(), a.min, a.max
	return k
}
