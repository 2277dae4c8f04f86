package server

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/static"
)

// route is one row of the table. What changes something is never a GET.
type route struct {
	method, path string
	name         string
	handler      echo.HandlerFunc
}

// Paths that middleware treats apart.
const (
	pathLive           = "/live"
	pathProduce        = "/topics/:topic/produce"
	pathPartitionOfKey = "/topics/:topic/partition-of-key"
)

// table is every route of the console.
func (s *Server) table() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{get, "/", "overview", s.overview},
		{get, pathLive, "live", s.liveStream},
		{get, "/live/snapshot", "live-snapshot", s.liveSnapshot},
		{get, "/live/history", "live-history", s.liveHistory},

		{get, "/topics", "topics", s.topics},
		{get, "/create-topic", "topic-create-form", s.createTopicForm},
		{post, "/create-topic", "topic-create", s.createTopic},
		{post, "/create-topic/plan", "topic-plan", s.planTopic},
		{get, "/topics/:topic", "topic", s.topic},
		{get, "/topics/:topic/messages", "topic-messages", s.messages},
		{get, "/topics/:topic/partitions/:partition/offsets/:offset", "record", s.record},
		{get, "/topics/:topic/partitions/:partition/offsets/:offset/raw", "record-raw", s.rawRecord},
		{get, pathProduce, "topic-produce-form", s.produceForm},
		{post, pathProduce, "topic-produce", s.produce},
		{post, pathPartitionOfKey, "topic-partition-of-key", s.partitionOfKey},
		{get, "/topics/:topic/configs", "topic-configs", s.topicConfigs},
		{post, "/topics/:topic/configs", "topic-configs-change", s.changeTopicConfig},
		{get, "/topics/:topic/groups", "topic-groups", s.topicGroups},
		{post, "/topics/:topic/elect-leaders", "topic-elect-leaders", s.electTopicLeaders},
		{get, "/topics/:topic/add-partitions", "topic-add-partitions-form", s.addPartitionsForm},
		{post, "/topics/:topic/add-partitions", "topic-add-partitions", s.addPartitions},
		{get, "/topics/:topic/delete", "topic-delete-form", s.deleteTopicForm},
		{post, "/topics/:topic/delete", "topic-delete", s.deleteTopic},

		{get, "/groups", "groups", s.groups},
		{get, "/groups/:group", "group", s.group},
		{get, "/groups/:group/delete", "group-delete-form", s.deleteGroupForm},
		{post, "/groups/:group/delete", "group-delete", s.deleteGroup},

		{get, "/brokers", "brokers", s.brokers},
		{get, "/brokers.json", "brokers-json", s.brokersJSON},
		{get, "/brokers/:broker", "broker", s.broker},
		{get, "/brokers/:broker/:act", "broker-act-form", s.brokerActForm},
		{post, "/brokers/:broker/:act", "broker-act", s.actBroker},
		{post, "/elect-leaders", "elect-leaders", s.electLeaders},
		{get, "/durability", "durability", s.explainDurability},

		{get, "/connect", "connect", s.connect},

		{post, "/theme", "theme", s.setTheme},
		{post, "/demo/start", "demo-start", s.demoStart},
		{post, "/demo/stop", "demo-stop", s.demoStop},

		{get, static.Prefix + "*", "static", echo.WrapHandler(s.files)},
		{get, "/healthz", "health", s.healthz},
		{get, "/readyz", "ready", s.readyz},
	}
}
