package page

import "github.com/logarium/logarium/templates/ui"

// BrokersModel is the list of brokers.
type BrokersModel struct {
	Rows       []BrokerRow
	ClusterID  string
	Version    string // of Kafka, guessed by what the brokers offer
	Topics     int
	Partitions int
	Online     int
	InSync     int
	Replicas   int
	Refresh    string
	Failure    string
}

// BrokerRow is one broker.
type BrokerRow struct {
	ID         int32
	Place      int
	Href       string
	Host       string
	Port       int32
	Rack       string
	Controller bool
	Leaders    int
	Replicas   int
	InSync     int
	Size       ui.Figure
}

// BrokerModel is one broker.
type BrokerModel struct {
	Row        BrokerRow
	Partitions []BrokerPartition
	More       int // partitions that the table leaves out
	Settings   []SettingRow
	Search     string
	Failure    string // of the settings
	Refresh    string
}

// BrokerPartition is a replica on a broker.
type BrokerPartition struct {
	Topic, Href string
	Partition   int32
	Leader      bool
	InSync      bool
	Size        ui.Figure
}
