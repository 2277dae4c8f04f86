package kafka

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestSettingOf_DefaultIsWhatAResetGives(t *testing.T) {
	synonym := func(name string, source kmsg.ConfigSource, value *string) kmsg.DescribeConfigsResponseResourceConfigConfigSynonym {
		s := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
		s.Name, s.Source, s.Value = name, source, value
		return s
	}
	str := kmsg.StringPtr
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	c.Name, c.Value, c.Source = "retention.ms", str("1000"), kmsg.ConfigSourceDynamicTopicConfig
	c.Documentation = str("Keeps <code>records</code> if a < b.")
	c.ConfigSynonyms = append(c.ConfigSynonyms,
		synonym("retention.ms", kmsg.ConfigSourceDynamicTopicConfig, str("1000")),
		synonym("log.retention.ms", kmsg.ConfigSourceDefaultConfig, nil),
		synonym("log.retention.hours", kmsg.ConfigSourceDefaultConfig, str("168")))
	got := settingOf(kmsg.ConfigResourceTypeTopic, c)
	if !got.Own || !got.HasOther || got.Default != "604800000" || got.Doc != "Keeps records if a < b." {
		t.Errorf("got %+v", got)
	}
	c.ConfigSynonyms = c.ConfigSynonyms[:1]
	if got := settingOf(kmsg.ConfigResourceTypeTopic, c); got.HasOther {
		t.Errorf("a default out of nowhere: %+v", got)
	}
	c.Source, c.ConfigSynonyms = kmsg.ConfigSourceStaticBrokerConfig, nil
	if got := settingOf(kmsg.ConfigResourceTypeTopic, c); got.Own || got.Default != "1000" || got.Source != "broker's file" {
		t.Errorf("set by the broker: %+v", got)
	}
}

func TestRefused_CarriesTheBrokersWords(t *testing.T) {
	if refused(0, nil) != nil {
		t.Error("no error is one")
	}
	words := "Topic 'a' already exists."
	for _, c := range []struct {
		code    int16
		message *string
		want    string
	}{
		{36, &words, "Topic 'a' already exists (TOPIC_ALREADY_EXISTS)"},
		{36, nil, "Topic with this name already exists (TOPIC_ALREADY_EXISTS)"},
		{32_000, nil, "UNKNOWN_SERVER_ERROR"},
	} {
		if got := refused(c.code, c.message); got == nil || !strings.Contains(got.Error(), c.want) {
			t.Errorf("%d: %v, want %q", c.code, got, c.want)
		}
	}
}
