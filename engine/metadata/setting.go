package metadata

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// SettingType is the protocol's number of a setting's type.
type SettingType int8

// The types of settings.
const (
	TypeBool     SettingType = 1
	TypeString   SettingType = 2
	TypeInt      SettingType = 3
	TypeShort    SettingType = 4
	TypeLong     SettingType = 5
	TypeDouble   SettingType = 6
	TypeList     SettingType = 7
	TypeClass    SettingType = 8
	TypePassword SettingType = 9
)

// Update says how a broker setting can be changed while the broker runs.
type Update int8

// The ways to change a broker setting.
const (
	ReadOnly    Update = iota // at start alone
	PerBroker                 // for one broker at a time
	ClusterWide               // for one broker, or for all
)

// Setting is one row of the table of settings.
type Setting struct {
	Name    string
	Type    SettingType
	Default *string // nil: none
	// Doc is for people; Description adds what they must know of Effect.
	Doc string
	// Effect is false for a setting that is accepted and kept, for the sake of
	// tools, but changes nothing here.
	Effect bool
	// Fallback names the broker settings that give a topic setting its value
	// where the topic has none, and the older ones of a broker setting in other
	// units; the first that is set counts.
	Fallback []Fallback
	Update   Update // of a broker setting

	min, max *float64
	oneOf    []string
	special  func(value string) error
}

// Fallback is another setting that gives a value, and what to multiply it by.
type Fallback struct {
	Name   string
	Factor int64 // 0: take the value as it is
}

// Description returns Doc, and says so where the setting has no effect.
func (s *Setting) Description() string {
	if s.Effect {
		return s.Doc
	}
	return s.Doc + " Accepted, but without effect here."
}

// Validate says (INVALID_CONFIG) why the setting cannot have a value.
func (s *Setting) Validate(value string) error {
	if s.special != nil {
		return s.special(value)
	}
	switch s.Type {
	case TypeBool:
		if _, ok := parseBool(value); !ok {
			return s.invalid(value, "Expected value to be either true or false")
		}
	case TypeInt, TypeShort, TypeLong, TypeDouble:
		return s.validateNumber(value)
	case TypeList:
		for _, item := range SplitList(value) {
			if err := s.validateText(item); err != nil {
				return err
			}
		}
	default:
		return s.validateText(value)
	}
	return nil
}

func (s *Setting) validateText(value string) error {
	if s.oneOf != nil && !slices.Contains(s.oneOf, value) {
		return s.invalid(value, "String must be one of: "+strings.Join(s.oneOf, ", "))
	}
	return nil
}

func (s *Setting) validateNumber(value string) error {
	name, bits := "LONG", 64
	switch s.Type {
	case TypeInt:
		name, bits = "INT", 32
	case TypeShort:
		name, bits = "SHORT", 16
	case TypeDouble:
		name = "DOUBLE"
	}
	var v float64
	if s.Type == TypeDouble {
		d, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || math.IsNaN(d) {
			return s.invalid(value, "Not a number of type "+name)
		}
		v = d
	} else {
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, bits)
		if err != nil {
			return s.invalid(value, "Not a number of type "+name)
		}
		v = float64(n)
	}
	if s.min != nil && v < *s.min {
		return s.invalid(value, "Value must be at least "+number(*s.min))
	}
	if s.max != nil && v > *s.max {
		return s.invalid(value, "Value must be no more than "+number(*s.max))
	}
	return nil
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func (s *Setting) invalid(value, why string) error { return invalidValue(s.Name, value, why) }

func invalidValue(name, value, why string) error {
	return Refuse(kerr.InvalidConfig, "Invalid value %s for configuration %s: %s", value, name, why)
}

func parseBool(value string) (v, ok bool) {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// SplitList returns the items of a list setting, without the blanks around
// them and each once.
func SplitList(value string) []string {
	var out []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" && !slices.Contains(out, item) {
			out = append(out, item)
		}
	}
	return out
}

// gzipLevel accepts 1 to 9 and −1 for the library's own default.
func gzipLevel(value string) error {
	const name = "compression.gzip.level"
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 32)
	switch {
	case err != nil:
		return invalidValue(name, value, "Not a number of type INT")
	case n != -1 && (n < 1 || n > 9):
		return invalidValue(name, value, "Value must be between 1 and 9 or equal to -1")
	}
	return nil
}

// throttledReplicas accepts nothing, '*', or a list of partition:broker.
func throttledReplicas(name string) func(string) error {
	return func(value string) error {
		items := SplitList(value)
		if len(items) == 1 && items[0] == "*" {
			return nil
		}
		for _, item := range items {
			p, b, ok := strings.Cut(item, ":")
			if !ok || !isNumber(p) || !isNumber(b) {
				return invalidValue(name, "["+strings.Join(items, ", ")+"]", name+
					" must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...")
			}
		}
		return nil
	}
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil
}

// remoteStorage refuses what would need tiered storage.
func remoteStorage(value string) error {
	v, ok := parseBool(value)
	switch {
	case !ok:
		return invalidValue("remote.storage.enable", value, "Expected value to be either true or false")
	case v:
		return Refuse(kerr.InvalidConfig, "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.")
	}
	return nil
}

// ValidateTopicConfig checks the settings that are set for a topic, each by
// itself and together.
func ValidateTopicConfig(config map[string]string) error {
	for _, name := range sortedKeys(config) {
		s, ok := topicSettings[name]
		if !ok {
			return Refuse(kerr.InvalidConfig, "Unknown topic config name: %s", name)
		}
		if err := s.Validate(config[name]); err != nil {
			return err
		}
	}
	lowest, okMin := topicInt(config, "min.compaction.lag.ms")
	highest, okMax := topicInt(config, "max.compaction.lag.ms")
	if (okMin || okMax) && lowest > highest {
		return Refuse(kerr.InvalidConfig, "conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)", lowest, highest)
	}
	return nil
}

// topicInt returns a valid number that is set for a topic, or its default.
func topicInt(config map[string]string, name string) (v int64, set bool) {
	text, set := config[name]
	if !set {
		text = *topicSettings[name].Default
	}
	return mustInt(text), set
}

// mustInt reads a number that was checked when it was set.
func mustInt(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// ValidateBrokerConfig checks settings that are about to be set for one
// broker, or for all. A name that the table does not have is taken for one of
// a plug-in, as Kafka does, and kept.
func ValidateBrokerConfig(config map[string]string, all bool) error {
	var fixed, single []string
	for _, name := range sortedKeys(config) {
		s, ok := brokerSettings[name]
		switch {
		case !ok:
			continue
		case s.Update == ReadOnly:
			fixed = append(fixed, name)
			continue
		case s.Update == PerBroker && all:
			single = append(single, name)
			continue
		}
		if err := s.Validate(config[name]); err != nil {
			return Refuse(kerr.InvalidRequest, "%s", err.Error())
		}
	}
	if fixed != nil {
		return Refuse(kerr.InvalidRequest, "Cannot update these configs dynamically: [%s]", strings.Join(fixed, ", "))
	}
	if single != nil {
		return Refuse(kerr.InvalidRequest, "Cannot update these configs at default cluster level, broker id must be specified: [%s]", strings.Join(single, ", "))
	}
	return nil
}

// ValidateStaticConfig checks the broker settings given at start.
func ValidateStaticConfig(config map[string]string) error {
	for _, name := range sortedKeys(config) {
		s, ok := brokerSettings[name]
		if !ok {
			return fmt.Errorf("unknown broker setting %s", name)
		}
		if err := s.Validate(config[name]); err != nil {
			return err
		}
	}
	return nil
}

// SettingOf returns the row of a topic's or a broker's setting.
func SettingOf(of ResourceType, name string) (*Setting, bool) {
	if of == ResourceTopic {
		s, ok := topicSettings[name]
		return s, ok
	}
	s, ok := brokerSettings[name]
	return s, ok
}

// TopicSettings returns the table of topic settings, by name.
func TopicSettings() []*Setting { return topicTable }

// BrokerSettings returns the table of broker settings, by name.
func BrokerSettings() []*Setting { return brokerTable }

// index sorts a table by name and makes it searchable.
func index(rows []Setting) ([]*Setting, map[string]*Setting) {
	table := make([]*Setting, len(rows))
	byName := make(map[string]*Setting, len(rows))
	for i := range rows {
		table[i] = &rows[i]
		byName[rows[i].Name] = &rows[i]
	}
	slices.SortFunc(table, func(a, b *Setting) int { return strings.Compare(a.Name, b.Name) })
	return table, byName
}

func text(s string) *string { return &s }

func limit(v float64) *float64 { return &v }
