package kafka

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Setting is one setting of a topic or a broker, as it is in effect.
type Setting struct {
	Name      string
	Value     string
	Null      bool // it has no value
	Sensitive bool // the cluster keeps the value to itself
	ReadOnly  bool
	Own       bool   // set for this very topic or broker
	Source    string // in words, where the value comes from
	Default   string // the value without the own one
	HasOther  bool   // Default is known
	Doc       string
}

// Settings is a list of settings sorted by name.
type Settings []Setting

// Get returns the value of a setting.
func (s Settings) Get(name string) (string, bool) {
	i := slices.IndexFunc(s, func(x Setting) bool { return x.Name == name && !x.Null })
	if i < 0 {
		return "", false
	}
	return s[i].Value, true
}

// Int returns the value of a setting that is a number.
func (s Settings) Int(name string) (int64, bool) {
	v, ok := s.Get(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(v, 10, 64)
	return n, err == nil
}

// TopicSettings returns the settings of one topic.
func (c *Cluster) TopicSettings(ctx context.Context, topic string) (Settings, error) {
	all, err := c.settings(ctx, kmsg.ConfigResourceTypeTopic, nil, topic)
	if err != nil {
		return nil, err
	}
	return all[topic].settings, all[topic].err
}

// SomeTopicSettings returns the named settings of some topics; a topic whose
// settings could not be had is left out.
func (c *Cluster) SomeTopicSettings(ctx context.Context, topics, names []string) (map[string]Settings, error) {
	out := make(map[string]Settings, len(topics))
	if len(topics) == 0 {
		return out, nil
	}
	all, err := c.settings(ctx, kmsg.ConfigResourceTypeTopic, names, topics...)
	if err != nil {
		return nil, err
	}
	for topic, d := range all {
		if d.err == nil {
			out[topic] = d.settings
		}
	}
	return out, nil
}

// BrokerSettings returns the settings of one broker.
func (c *Cluster) BrokerSettings(ctx context.Context, broker int32) (Settings, error) {
	name := strconv.Itoa(int(broker))
	all, err := c.settings(ctx, kmsg.ConfigResourceTypeBroker, nil, name)
	if err != nil {
		return nil, err
	}
	return all[name].settings, all[name].err
}

type described struct {
	settings Settings
	err      error
}

func (c *Cluster) settings(ctx context.Context, kind kmsg.ConfigResourceType, names []string, resources ...string) (map[string]described, error) {
	caps, err := c.Capabilities(ctx)
	if err != nil {
		return nil, err
	}
	if why := caps.Why(FeatureConfigs); why != "" {
		return nil, &Error{Text: why}
	}
	answer, err := c.askSettings(ctx, kind, func() kmsg.Request {
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.IncludeSynonyms, req.IncludeDocumentation = true, true
		for _, name := range resources {
			r := kmsg.NewDescribeConfigsRequestResource()
			r.ResourceType, r.ResourceName, r.ConfigNames = kind, name, names
			req.Resources = append(req.Resources, r)
		}
		return req
	})
	if err != nil {
		return nil, err
	}
	resp, ok := answer.(*kmsg.DescribeConfigsResponse)
	if !ok {
		return nil, &Error{Text: "the cluster answered something else than settings"}
	}
	out := make(map[string]described, len(resp.Resources))
	for _, r := range resp.Resources {
		d := described{err: refused(r.ErrorCode, r.ErrorMessage)}
		for _, cfg := range r.Configs {
			d.settings = append(d.settings, settingOf(kind, cfg))
		}
		slices.SortFunc(d.settings, func(a, b Setting) int { return cmp.Compare(a.Name, b.Name) })
		out[r.ResourceName] = d
	}
	return out, nil
}

// askSettings asks for settings: of a broker that broker alone, which must not
// keep a page waiting; of topics any broker.
func (c *Cluster) askSettings(ctx context.Context, kind kmsg.ConfigResourceType, ask func() kmsg.Request) (kmsg.Response, error) {
	if kind != kmsg.ConfigResourceTypeBroker {
		return c.anyOf(ctx, ask)
	}
	ctx, cancel := context.WithTimeout(ctx, onePatience)
	defer cancel()
	resp, err := within(ctx, func(ctx context.Context) (kmsg.Response, error) { return c.client.Request(ctx, ask()) })
	return resp, explain(err)
}

func settingOf(kind kmsg.ConfigResourceType, c kmsg.DescribeConfigsResponseResourceConfig) Setting {
	own := kmsg.ConfigSourceDynamicTopicConfig
	if kind == kmsg.ConfigResourceTypeBroker {
		own = kmsg.ConfigSourceDynamicBrokerConfig
	}
	s := Setting{
		Name: c.Name, Null: c.Value == nil, Sensitive: c.IsSensitive, ReadOnly: c.ReadOnly,
		Own: c.Source == own, Source: sourceWords(c.Source),
	}
	if c.Value != nil {
		s.Value = *c.Value
	}
	if c.Documentation != nil {
		s.Doc = tag.ReplaceAllString(*c.Documentation, "")
	}
	for _, syn := range c.ConfigSynonyms {
		if syn.Source != own && syn.Value != nil {
			s.Default, s.HasOther = inUnitOf(s.Name, syn.Name, *syn.Value), true
			break
		}
	}
	if !s.Own && !s.HasOther && !s.Null {
		s.Default, s.HasOther = s.Value, true
	}
	return s
}

// tag is the markup that Kafka's documentation of settings has in it.
var tag = regexp.MustCompile(`</?[a-z]+[^>]*>`)

// inUnitOf turns the value of a synonym in a coarser unit into milliseconds, as
// log.retention.hours is one of retention.ms.
func inUnitOf(name, synonym, value string) string {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 || !strings.HasSuffix(name, ".ms") {
		return value
	}
	for suffix, ms := range map[string]int64{".hours": 3_600_000, ".minutes": 60_000, ".seconds": 1000} {
		if strings.HasSuffix(synonym, suffix) {
			return strconv.FormatInt(n*ms, 10)
		}
	}
	return value
}

func sourceWords(s kmsg.ConfigSource) string {
	switch s {
	case kmsg.ConfigSourceDynamicTopicConfig:
		return "this topic"
	case kmsg.ConfigSourceDynamicBrokerConfig:
		return "this broker"
	case kmsg.ConfigSourceDynamicDefaultBrokerConfig:
		return "all brokers"
	case kmsg.ConfigSourceStaticBrokerConfig:
		return "broker's file"
	case kmsg.ConfigSourceDefaultConfig:
		return "default"
	}
	return "unknown"
}
